// A batch of jobs as it lies in shared memory: counters first (Int32), then each job's numbers (Float64, which holds addresses and float32 alike). Written by the pool, carried out by its threads.
import type { Kernel, KernelJob } from './kernelJob.ts';

/** Each job's numbers: kernel's index, items, piece, count of arguments, arguments. */
const MAX_ARGS = 16;
const JOB_FLOATS = 4 + MAX_ARGS;
/** Int32 before the jobs' counters: how many threads have left the batch. */
const HEADER_WORDS = 2;
/** Claims per thread and job: more even out threads of different speed, fewer pack less twice. */
const PIECES_PER_THREAD = 4;
/** Looks at a counter before a thread sleeps until it is woken. */
const SPINS = 4000;

const counterWords = (numJobs: number): number => HEADER_WORDS + 2 * numJobs;

/** Bytes of a batch of so many jobs. */
export const batchBytes = (numJobs: number): number => counterWords(numJobs) * 4 + numJobs * JOB_FLOATS * 8;

export class Batch {
  constructor(private readonly memory: WebAssembly.Memory, private readonly start: number) {}

  /** Writes jobs with fresh counters. @throws Error when a kernel is unknown or has too many arguments */
  write(jobs: readonly KernelJob[], kernelIndex: ReadonlyMap<string, number>, numThreads: number): void {
    const { counters, numbers } = this.views(jobs.length);
    counters.fill(0);
    for (const [i, { kernel, items, args }] of jobs.entries()) {
      const index = kernelIndex.get(kernel);
      if (index === undefined || args.length > MAX_ARGS) throw new Error(`${kernel} with ${args.length} arguments is no kernel.`);
      const at = i * JOB_FLOATS;
      numbers[at] = index;
      numbers[at + 1] = items;
      numbers[at + 2] = Math.max(1, Math.ceil(items / (numThreads * PIECES_PER_THREAD)));
      numbers[at + 3] = args.length;
      for (let k = 0; k < args.length; k++) numbers[at + 4 + k] = args[k];
    }
  }

  /** One thread's part of a batch. Returns whether it is the last to leave: then all is done and nobody reads the batch any more. */
  carryOut(numJobs: number, kernels: readonly Kernel[], scratch: number, numThreads: number): boolean {
    const { counters, numbers } = this.views(numJobs);
    for (let job = 0; job < numJobs; job++) {
      const at = job * JOB_FLOATS;
      const kernel = kernels[numbers[at]];
      const [items, piece, numArgs] = [numbers[at + 1], numbers[at + 2], numbers[at + 3]];
      const [claimed, done] = [HEADER_WORDS + 2 * job, HEADER_WORDS + 2 * job + 1];
      let args: readonly number[] | undefined;
      for (let first = Atomics.add(counters, claimed, piece); first < items; first = Atomics.add(counters, claimed, piece)) {
        args ??= Array.from(numbers.subarray(at + 4, at + 4 + numArgs));
        const end = Math.min(items, first + piece);
        kernel(first, end, scratch, ...args);
        if (Atomics.add(counters, done, end - first) + end - first === items) Atomics.notify(counters, done);
      }
      waitFor(counters, done, items);
    }
    return Atomics.add(counters, 0, 1) + 1 === numThreads;
  }

  private views(numJobs: number): { readonly counters: Int32Array; readonly numbers: Float64Array } {
    const { buffer } = this.memory;
    const counters = new Int32Array(buffer, this.start, counterWords(numJobs));
    return { counters, numbers: new Float64Array(buffer, this.start + counterWords(numJobs) * 4, numJobs * JOB_FLOATS) };
  }
}

function waitFor(counters: Int32Array, index: number, value: number): void {
  for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(counters, index) === value) return;
  for (let now = Atomics.load(counters, index); now !== value; now = Atomics.load(counters, index)) Atomics.wait(counters, index, now);
}
