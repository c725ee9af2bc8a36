// The golden runs load in the browser as they do in Node: the GPU tests replay them there.
import { expect, it } from 'vitest';
import { loadGolden } from './golden.ts';

it.each(['golden', 'golden-head32'] as const)('%s loads in the browser, every tensor as large as its config says', async (name) => {
  const { config, B, T, tokens, targets, weights, gradients, finalWeights, logits, losses } = await loadGolden(name);
  const { vocabSize: V, hiddenSize: C, intermediateSize: F, numHiddenLayers: L } = config;
  const numParameters = V * C + L * (4 * C * C + 3 * C * F + 2 * C) + C;
  for (const tensors of [weights, gradients, finalWeights]) {
    expect([...tensors.values()].reduce((sum, { data }) => sum + data.length, 0)).toBe(numParameters);
    expect([...tensors.values()].every(({ data }) => data.every(Number.isFinite))).toBe(true);
  }
  expect(logits).toHaveLength(B * T * V);
  expect(losses).toHaveLength(10);
  expect(tokens.map((step) => step.length)).toEqual(losses.map(() => B * T));
  expect(tokens.every((step) => step.every((token) => token < V))).toBe(true);
  expect(targets.every((step) => step.every((target) => target < V || target === 0xffffffff))).toBe(true);
});
