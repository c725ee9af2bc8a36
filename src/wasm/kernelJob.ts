// What the queue hands to whoever runs kernels, and how: a job's items do not depend on each other, jobs run one after the other.

/** kernel(first, end, scratch, ...args) computes items [first, end). */
export interface KernelJob {
  readonly kernel: string;
  readonly items: number;
  /** Addresses of buffers, then numbers. */
  readonly args: readonly number[];
}

export type Kernel = (first: number, end: number, scratch: number, ...args: readonly number[]) => void;

/** One thread's own memory for kernels that need some. */
export interface Scratch {
  readonly start: number;
  /** Bytes from one thread's to the next's. */
  readonly stride: number;
}

export interface KernelRunner {
  readonly numThreads: number;
  /** Resolves when all jobs are done. One call at a time. @throws Error when a thread is lost */
  run(jobs: readonly KernelJob[], scratch: Scratch): Promise<void>;
  /** Resolves with a sentence when it cannot go on. */
  readonly lost: Promise<string>;
  destroy(): void;
}

/** The kernels of a module over a memory, by name. */
export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): ReadonlyMap<string, Kernel> {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return new Map(Object.entries(exports).filter(([, value]) => typeof value === 'function') as [string, Kernel][]);
}
