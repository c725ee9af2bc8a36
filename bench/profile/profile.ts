// What `node bench/profile.mjs` runs: our step of one workload, whole by the wall clock and kernel by kernel by the GPU's clock.
import { openGpu } from '../../src/gpu/device.ts';
import { packArena } from '../../src/model/parameters.ts';
import { SmallModel } from '../../src/model/smallModel.ts';
import { tuneKernels } from '../../src/model/tuneKernels.ts';
import { modelConfigOf, type BenchConfig } from '../../src/pages/benchHarness.ts';
import { Stepper } from '../../src/training/stepper.ts';
import { median } from '../step/comparison.ts';
import { createBatches, createWeights, LEARNING_RATE, matmulFlops, OPTIMIZER, splitBatch } from '../step/workload.ts';
import { byKernel, opTimes } from './opTimes.ts';

export interface StepProfile {
  readonly adapter: string;
  /** Wall time of each step after the first, in milliseconds. */
  readonly milliseconds: number[];
  readonly medianMilliseconds: number;
  /** Sum of the kernels' times, each the least of the repeats. */
  readonly kernelMilliseconds: number;
  readonly gigaflopsPerSecond: number;
  readonly kernels: ReturnType<typeof byKernel>;
}

export async function profileStep(config: BenchConfig, { steps, repeats }: { readonly steps: number; readonly repeats: number }): Promise<StepProfile> {
  const gpu = await openGpu();
  const [modelConfig, shape] = [modelConfigOf(config), { batchSize: config.batchSize, seqLen: config.seqLen }];
  await tuneKernels(gpu, modelConfig, shape, { train: true });
  const model = await SmallModel.create(gpu, modelConfig, shape, { train: true });
  await model.loadWeights(packArena(model.table, new Map([...createWeights(config, 1)].map(([name, data]) => [name, { data }]))));
  const stepper = await Stepper.create(gpu, model, OPTIMIZER, 1);
  const milliseconds: number[] = [];
  for (const [index, batch] of createBatches(config, steps + 1, 2).entries()) {
    const split = splitBatch(config, batch);
    const start = performance.now();
    await stepper.step(index + 1, LEARNING_RATE, (tokens, targets) => {
      tokens.set(split.tokens);
      targets.set(split.targets);
    });
    if (index > 0) milliseconds.push(performance.now() - start);
  }
  const ops = stepper.ops.filter(({ kind }) => kind === 'dispatch');
  const kernels = byKernel(ops, await opTimes(gpu, ops, repeats));
  const medianMilliseconds = median(milliseconds);
  return {
    adapter: gpu.adapter.name, milliseconds, medianMilliseconds, kernels,
    kernelMilliseconds: kernels.reduce((sum, kernel) => sum + kernel.milliseconds, 0),
    gigaflopsPerSecond: matmulFlops(config) / medianMilliseconds / 1e6,
  };
}
