// Runs kernels on the thread it is called on: where a page may not share memory between threads, and in Node.
import { instantiateKernels, type KernelJob, type KernelRunner, type Scratch } from './kernelJob.ts';

/** Longest stretch without letting the thread hear messages (pause, stop), in milliseconds; one job is never interrupted. */
const STRETCH_MS = 40;

export function createInlineRunner(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelRunner {
  const kernels = instantiateKernels(module, memory);
  let destroyed = false;
  let reportLost: (message: string) => void = () => {};
  const lost = new Promise<string>((resolve) => { reportLost = resolve; });
  const run = async (jobs: readonly KernelJob[], { start }: Scratch): Promise<void> => {
    let heard = performance.now();
    for (const { kernel, items, args } of jobs) {
      kernels.get(kernel)!(0, items, start, ...args);
      if (performance.now() - heard < STRETCH_MS) continue;
      await nextTask();
      if (destroyed) return;
      heard = performance.now();
    }
    await nextTask();
  };
  const destroy = (): void => {
    destroyed = true;
    reportLost('The WebAssembly engine was closed.');
  };
  return { numThreads: 1, run, lost, destroy };
}

/** Resolves after everything that is ready to run has run. A message, not a timer: timers wait 4 ms, and longer in a hidden tab. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
