// One thread of the WebAssembly engine: sets up once, then takes its part of every batch.
import { instantiateKernels, type Kernel } from './kernelJob.ts';
import { Batch } from './threadBatch.ts';
import type { ThreadAnswer, ThreadBatch, ThreadSetup } from './threadPool.ts';

let setup: ThreadSetup;
let kernels: readonly Kernel[];

const answer = (message: ThreadAnswer): void => self.postMessage(message);

self.addEventListener('message', ({ data }: MessageEvent<ThreadSetup | ThreadBatch>) => {
  if (data.kind === 'setup') {
    setup = data;
    kernels = [...instantiateKernels(data.module, data.memory).values()];
    void navigator.locks.request(data.lock, () => {
      answer({ kind: 'ready' });
      return new Promise(() => {});
    });
    return;
  }
  const { start, numJobs, scratch } = data;
  const isLast = new Batch(setup.memory, start).carryOut(numJobs, kernels, scratch.start + setup.index * scratch.stride, setup.numThreads);
  if (isLast) answer({ kind: 'done' });
});
