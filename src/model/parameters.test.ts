import { expect, it } from 'vitest';
import { modelWeights, numParameters, type ModelConfig } from '../config/modelConfig.ts';
import { createParameterTable, hostTensors, packArena } from './parameters.ts';

const CONFIG: ModelConfig = { vocabSize: 101, hiddenSize: 24, intermediateSize: 40, numHiddenLayers: 2, numAttentionHeads: 3, headDim: 8, maxPositionEmbeddings: 16, rmsNormEps: 1e-5, ropeTheta: 1e4 };

it('aligns groups, keeps q, k, v and gate, up without gaps, and overlaps nothing', () => {
  const table = createParameterTable(CONFIG);
  const slots = [...table.slots.values()].sort((a, b) => a.offset - b.offset);
  for (const [index, slot] of slots.entries()) {
    const end = index > 0 ? slots[index - 1].offset + slots[index - 1].length : 0;
    if (/(k|v|up)_proj/.test(slot.name)) expect(slot.offset).toBe(end);
    else expect(slot.offset % 64).toBe(0);
    expect(slot.offset).toBeGreaterThanOrEqual(end);
  }
  expect(slots.reduce((sum, { length }) => sum + length, 0)).toBe(numParameters(CONFIG));
});

it('separates matrices, which decay, from norms, which do not', () => {
  const table = createParameterTable(CONFIG);
  for (const { name, decays } of modelWeights(CONFIG)) expect(table.slots.get(name)!.offset < table.decayLength).toBe(decays);
});

it('packs and unpacks the same numbers, and names what is missing', () => {
  const table = createParameterTable(CONFIG);
  const weights = new Map([...table.slots.values()].map(({ name, shape, length }, i) => [name, { shape, data: Float32Array.from({ length }, (_, j) => i + j / 1000) }]));
  expect(hostTensors(table, packArena(table, weights))).toEqual(weights);
  weights.delete('model.norm.weight');
  expect(() => packArena(table, weights)).toThrow(/model\.norm\.weight is missing/);
});
