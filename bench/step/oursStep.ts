// This project's own step, through the same model and stepper that the studio trains with.
import type { Gpu } from '../../src/gpu/device.ts';
import { packArena } from '../../src/model/parameters.ts';
import { SmallModel } from '../../src/model/smallModel.ts';
import { tuneKernels } from '../../src/model/tuneKernels.ts';
import { modelConfigOf, type BenchConfig } from '../../src/pages/benchHarness.ts';
import { Stepper } from '../../src/training/stepper.ts';
import { LEARNING_RATE, OPTIMIZER, splitBatch, type Contestant, type Weights } from './workload.ts';

/** @param name of the contestant: the same code steps on any engine */
export async function createOurs(gpu: Gpu, config: BenchConfig, weights: Weights, name = 'ours'): Promise<Contestant> {
  const { batchSize, seqLen } = config;
  await tuneKernels(gpu, modelConfigOf(config), { batchSize, seqLen }, { train: true });
  const model = await SmallModel.create(gpu, modelConfigOf(config), { batchSize, seqLen }, { train: true });
  await model.loadWeights(packArena(model.table, new Map([...weights].map(([name, data]) => [name, { data }]))));
  const stepper = await Stepper.create(gpu, model, OPTIMIZER, 1);
  let step = 0;
  return {
    name,
    async step(batch) {
      const split = splitBatch(config, batch);
      const { loss } = await stepper.step(++step, LEARNING_RATE, (tokens, targets) => {
        tokens.set(split.tokens);
        targets.set(split.targets);
      });
      return loss;
    },
    dispose() {
      stepper.destroy();
      model.destroy();
    },
  };
}

