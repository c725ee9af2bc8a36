// Threads over shared memory. A batch of jobs is written into that memory once; threads claim pieces of a job until none is left, and wait for its last piece before the next job. Nobody waits for
// a thread that has claimed nothing, so a busy machine slows the pool by what it takes and no more; and since items do not depend on each other, any number of threads gives the same bits.
import type { KernelJob, KernelRunner, Scratch } from './kernelJob.ts';
import type { LinearMemory } from './linearMemory.ts';
import { Batch, batchBytes } from './threadBatch.ts';

export interface ThreadSetup {
  readonly kind: 'setup';
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly index: number;
  readonly numThreads: number;
  /** Held by the thread as long as it lives. */
  readonly lock: string;
}

export interface ThreadBatch {
  readonly kind: 'batch';
  /** Where the batch lies. */
  readonly start: number;
  readonly numJobs: number;
  readonly scratch: Scratch;
}

/** 'ready' answers a setup from every thread, 'done' a batch from the last thread to leave it. */
export type ThreadAnswer = { readonly kind: 'ready' } | { readonly kind: 'done' };

const LOST = 'A thread of the WebAssembly engine ended unexpectedly, probably because the machine ran out of memory.';

/** @throws Error when a thread does not start */
export async function createThreadPool(module: WebAssembly.Module, memory: WebAssembly.Memory, ranges: LinearMemory, numThreads: number): Promise<KernelRunner> {
  const poolName = `wasm-threads.${crypto.randomUUID()}`;
  const workers = Array.from({ length: numThreads }, (_, index) => new Worker(new URL('./kernel.worker.ts', import.meta.url), { type: 'module', name: `kernels ${index}` }));
  const kernelIndex = new Map(WebAssembly.Module.exports(module).filter(({ kind }) => kind === 'function').map(({ name }, index) => [name, index]));
  let reportLost: (message: string) => void = () => {};
  const lost = new Promise<string>((resolve) => { reportLost = resolve; });
  let finishBatch: () => void = () => {};
  const end = (message: string): void => {
    for (const worker of workers) worker.terminate();
    reportLost(message);
  };

  const started = workers.map((worker, index) => new Promise<void>((resolve, reject) => {
    const lock = `${poolName}.${index}`;
    worker.addEventListener('message', ({ data }: MessageEvent<ThreadAnswer>) => {
      if (data.kind === 'done') return finishBatch();
      // Granted when the thread that holds it is gone, however it went.
      void navigator.locks.request(lock, () => end(LOST));
      resolve();
    });
    worker.addEventListener('error', ({ message }) => {
      reject(new Error(`A thread of the WebAssembly engine did not start: ${message || 'its script did not load'}`));
      end(LOST);
    });
    worker.postMessage({ kind: 'setup', module, memory, index, numThreads, lock } satisfies ThreadSetup);
  }));
  await Promise.all(started);

  const batches = new BatchMemory(ranges);
  const run = async (jobs: readonly KernelJob[], scratch: Scratch): Promise<void> => {
    const start = batches.reserve(jobs);
    new Batch(memory, start).write(jobs, kernelIndex, numThreads);
    const done = new Promise<void>((resolve) => { finishBatch = resolve; });
    for (const worker of workers) worker.postMessage({ kind: 'batch', start, numJobs: jobs.length, scratch } satisfies ThreadBatch);
    const loss = await Promise.race([done, lost]);
    if (loss) throw new Error(loss);
  };
  return { numThreads, run, lost, destroy: () => end('The WebAssembly engine was closed.') };
}

/** The range that batches are written to, one at a time. */
class BatchMemory {
  private range: { readonly start: number; readonly size: number } | undefined;

  constructor(private readonly ranges: LinearMemory) {}

  /** @throws Error when there is no memory left */
  reserve(jobs: readonly KernelJob[]): number {
    const size = batchBytes(jobs.length);
    if (this.range && this.range.size >= size) return this.range.start;
    if (this.range) this.ranges.release(this.range.start, this.range.size);
    this.range = undefined;
    const start = this.ranges.allocate(2 * size);
    if (start === undefined) throw new Error('There is no memory left for the WebAssembly engine.');
    this.ranges.touch(start + 2 * size);
    this.range = { start, size: 2 * size };
    return start;
  }
}
