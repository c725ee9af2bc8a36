// The page of `node bench/steady.mjs`: thousands of small steps, with the JavaScript side of each timed apart from the whole.
import type { ModelConfig } from '../../src/config/modelConfig.ts';
import { createRandom } from '../../src/core/random.ts';
import { openGpu } from '../../src/gpu/device.ts';
import { createParameterTable } from '../../src/model/parameters.ts';
import { randomWeights } from '../../src/model/initialization.ts';
import { SmallModel } from '../../src/model/smallModel.ts';
import { tuneKernels } from '../../src/model/tuneKernels.ts';
import { Stepper } from '../../src/training/stepper.ts';
import { OPTIMIZER } from '../step/workload.ts';

/** Nano's layers at a size of batch and vocabulary that lets a software adapter take thousands of steps. */
const MODEL: ModelConfig = {
  vocabSize: 256, hiddenSize: 64, intermediateSize: 128, numHiddenLayers: 4, numAttentionHeads: 2, headDim: 32, maxPositionEmbeddings: 16, rmsNormEps: 1e-5, ropeTheta: 10_000,
};
const SHAPE = { batchSize: 1, seqLen: 16 };

export interface SteadyTimes {
  /** Wall time of each step, waited for, in milliseconds. */
  readonly step: number[];
  /** What of it JavaScript took to fill the batch, encode and submit, in milliseconds. */
  readonly submit: number[];
}

declare global {
  interface Window {
    __steady: {
      /** Name of the adapter. */
      open(): Promise<string>;
      /** Takes steps until there were `until` in all; gives the times of these. */
      run(until: number): Promise<SteadyTimes>;
      gpuBytes(): number;
    };
  }
}

let stepper: Stepper;
let model: SmallModel;
let taken = 0;
const random = createRandom(1);

window.__steady = {
  async open() {
    const gpu = await openGpu();
    await tuneKernels(gpu, MODEL, SHAPE, { train: true });
    model = await SmallModel.create(gpu, MODEL, SHAPE, { train: true });
    await model.loadWeights(randomWeights(MODEL, createParameterTable(MODEL), 1));
    stepper = await Stepper.create(gpu, model, OPTIMIZER, 1);
    return gpu.adapter.name;
  },
  async run(until) {
    const times: SteadyTimes = { step: [], submit: [] };
    while (taken < until) {
      const start = performance.now();
      stepper.submit(++taken, 1e-4, (tokens, targets) => {
        for (let i = 0; i < tokens.length; i++) {
          tokens[i] = random.integer(MODEL.vocabSize);
          targets[i] = random.integer(MODEL.vocabSize);
        }
      });
      times.submit.push(performance.now() - start);
      await stepper.receive();
      times.step.push(performance.now() - start);
    }
    return times;
  },
  gpuBytes: () => model.gpu.buffers.bytes,
};
