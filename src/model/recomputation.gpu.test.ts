// Recomputing activations changes memory and time, never a bit of the result.
import { expect, it } from 'vitest';
import type { ModelConfig } from '../config/modelConfig.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { SmallModel } from './smallModel.ts';

const CONFIG: ModelConfig = { vocabSize: 40, hiddenSize: 16, intermediateSize: 24, numHiddenLayers: 3, numAttentionHeads: 2, headDim: 8, maxPositionEmbeddings: 16, rmsNormEps: 1e-5, ropeTheta: 1e4 };
const SHAPE = { batchSize: 2, seqLen: 16 };

it('gives the same losses and gradients to the bit in less memory', async () => {
  const gpu = await testGpu();
  const rows = SHAPE.batchSize * SHAPE.seqLen;
  const tokens = Uint32Array.from({ length: rows }, (_, i) => (i * 7) % CONFIG.vocabSize);
  const targets = tokens.map((token) => (token + 3) % CONFIG.vocabSize);
  const results: { gradients: Float32Array; loss: number; bytes: number }[] = [];
  for (const recompute of [false, true]) {
    const before = gpu.buffers.bytes;
    const model = await SmallModel.create(gpu, CONFIG, SHAPE, { train: true, recompute });
    const bytes = gpu.buffers.bytes - before;
    await model.loadWeights(randomFloats(model.table.length, 1));
    model.setLossScale(1 / rows);
    await withoutGpuErrors(gpu, async () => {
      // Twice, so that nothing left over from the first pass can matter.
      model.accumulateGradients(tokens, targets, { clear: true });
      model.accumulateGradients(tokens, targets, { clear: true });
      results.push({ loss: await model.meanLoss(), gradients: await model.gradients.read(gpu), bytes });
    });
    model.destroy();
  }
  const [kept, recomputed] = results;
  expect(kept.loss).toBeGreaterThan(1);
  expect(recomputed.loss).toBe(kept.loss);
  expect(kept.gradients.some((value) => value !== 0)).toBe(true);
  expect(recomputed.gradients).toEqual(kept.gradients);
  expect(recomputed.bytes).toBeLessThan(kept.bytes);
});
