import { describe, expect, it } from 'vitest';
import { layerWeight, type ModelConfig } from '../config/modelConfig.ts';
import { randomWeights } from './initialization.ts';
import { createParameterTable, hostTensors } from './parameters.ts';

const MODEL: ModelConfig = { vocabSize: 500, hiddenSize: 64, intermediateSize: 96, numHiddenLayers: 2, numAttentionHeads: 2, headDim: 32, maxPositionEmbeddings: 16, rmsNormEps: 1e-5, ropeTheta: 1e4 };
const table = createParameterTable(MODEL);
const tensorsOf = (seed: number): ReturnType<typeof hostTensors> => hostTensors(table, randomWeights(MODEL, table, seed));

describe('randomWeights', () => {
  it('has the spreads of pretraining', () => {
    const tensors = tensorsOf(1);
    const expected: [string, number][] = [
      ['model.embed_tokens.weight', 2 / 3 / 8],
      [layerWeight(0, 'self_attn.q_proj.weight'), 1 / Math.sqrt(3 * 64)],
      [layerWeight(1, 'self_attn.o_proj.weight'), 1 / Math.sqrt(3 * 64 * 4)],
      [layerWeight(0, 'mlp.up_proj.weight'), 1 / Math.sqrt(3 * 64)],
      [layerWeight(1, 'mlp.down_proj.weight'), 1 / Math.sqrt(3 * 96 * 4)],
    ];
    for (const [name, deviation] of expected) {
      const { data } = tensors.get(name)!;
      const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
      const found = Math.sqrt(data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length);
      // 4 standard errors of a deviation estimated from so many numbers.
      expect(Math.abs(found / deviation - 1), name).toBeLessThan(4 / Math.sqrt(2 * data.length));
      expect(Math.abs(mean / deviation), name).toBeLessThan(4 / Math.sqrt(data.length));
    }
    expect(tensors.get('model.norm.weight')!.data.every((value) => value === 1)).toBe(true);
  });

  it('is the seed alone', () => {
    expect(randomWeights(MODEL, table, 7)).toEqual(randomWeights(MODEL, table, 7));
    expect(randomWeights(MODEL, table, 7)).not.toEqual(randomWeights(MODEL, table, 8));
  });
});
