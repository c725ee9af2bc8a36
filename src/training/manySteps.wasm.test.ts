// Training for hours takes no more memory than training for seconds. On the WebAssembly engine, whose steps are quick enough to take thousands of; what plans and submits
// them is the same on WebGPU (300 steps there: longRun.journey.ts).
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import type { ModelConfig } from '../config/modelConfig.ts';
import { createRandom } from '../core/random.ts';
import { randomWeights } from '../model/initialization.ts';
import { SmallModel } from '../model/smallModel.ts';
import { testGpu } from '../testing/testGpu.ts';
import { Stepper } from './stepper.ts';

const STEPS = 5000;
/** Until then code is compiled and buffers of the first time are made. */
const WARM = 500;
const CONFIG: ModelConfig = {
  vocabSize: 64, hiddenSize: 32, intermediateSize: 64, numHiddenLayers: 2, numAttentionHeads: 2, headDim: 16, maxPositionEmbeddings: 16, rmsNormEps: 1e-5, ropeTheta: 10_000,
};

setFlagsFromString('--expose_gc');
const collectGarbage = runInNewContext('gc') as () => void;

it(`${STEPS} steps leave memory flat`, async () => {
  const gpu = await testGpu();
  const model = await SmallModel.create(gpu, CONFIG, { batchSize: 1, seqLen: 16 }, { train: true });
  await model.loadWeights(randomWeights(CONFIG, model.table, 1));
  const stepper = await Stepper.create(gpu, model, { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 }, 1);
  const random = createRandom(1);
  const memory = (): { heap: number; buffers: number; arrayBuffers: number } => {
    collectGarbage();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return { heap: heapUsed, buffers: gpu.buffers.bytes, arrayBuffers };
  };
  let before = memory();
  let loss = NaN;
  for (let step = 1; step <= STEPS; step++) {
    // A sequence that can be learnt: the next token is this one and one more.
    ({ loss } = await stepper.step(step, 1e-3, (tokens, targets) => {
      const first = random.integer(CONFIG.vocabSize);
      for (let t = 0; t < tokens.length; t++) [tokens[t], targets[t]] = [(first + t) % CONFIG.vocabSize, (first + t + 1) % CONFIG.vocabSize];
    }));
    if (step === WARM) before = memory();
  }
  const after = memory();
  expect(loss).toBeLessThan(0.5);
  expect(after.buffers).toBe(before.buffers);
  expect(after.arrayBuffers - before.arrayBuffers, 'bytes of array buffers').toBeLessThan(250_000);
  expect(after.heap - before.heap, 'bytes of JavaScript heap').toBeLessThan(250_000);
  console.log(`${STEPS} steps: JavaScript heap ${((after.heap - before.heap) / 1000).toFixed(0)} KB more than after ${WARM}`);
  stepper.destroy();
  model.destroy();
});
