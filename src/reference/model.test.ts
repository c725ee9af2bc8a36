import { describe, expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import { expectClose } from '../testing/allclose.ts';
import { expectGradient, randomNormals } from '../testing/gradcheck.ts';
import { IGNORED_TARGET } from './crossEntropy.ts';
import { modelForward, modelLossAndGradients, type ReferenceConfig } from './model.ts';

const CONFIGS: { name: string; config: ReferenceConfig; B: number; T: number }[] = [
  {
    name: 'two layers of odd sizes',
    config: { vocabSize: 11, hiddenSize: 9, intermediateSize: 7, numHiddenLayers: 2, numAttentionHeads: 3, headDim: 4, rmsNormEps: 1e-2, ropeTheta: 100 },
    B: 2,
    T: 5,
  },
  {
    name: 'one token through one layer of one head',
    config: { vocabSize: 3, hiddenSize: 2, intermediateSize: 1, numHiddenLayers: 1, numAttentionHeads: 1, headDim: 2, rmsNormEps: 1e-2, ropeTheta: 10000 },
    B: 1,
    T: 1,
  },
];

function randomWeights(config: ReferenceConfig): Map<string, Float64Array> {
  const { hiddenSize: C, intermediateSize: F, vocabSize: V, numAttentionHeads, headDim } = config;
  const A = numAttentionHeads * headDim;
  const sizes: [string, number][] = [['model.embed_tokens', V * C], ['model.norm', C]];
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    const parts = {
      'self_attn.q_proj': A * C, 'self_attn.k_proj': A * C, 'self_attn.v_proj': A * C, 'self_attn.o_proj': C * A,
      'mlp.gate_proj': F * C, 'mlp.up_proj': F * C, 'mlp.down_proj': C * F, input_layernorm: C, post_attention_layernorm: C,
    };
    for (const [part, size] of Object.entries(parts)) sizes.push([`model.layers.${layer}.${part}`, size]);
  }
  return new Map(sizes.map(([name, size], seed) => [`${name}.weight`, randomNormals(size, seed + 1).map((x) => x * 0.7)]));
}

function randomBatch(config: ReferenceConfig, length: number): { tokens: number[]; targets: number[] } {
  const random = createRandom(99);
  const tokens = Array.from({ length }, () => random.integer(config.vocabSize));
  const targets = Array.from({ length }, () => random.integer(config.vocabSize));
  if (length > 3) targets[3] = IGNORED_TARGET;
  return { tokens, targets };
}

describe.each(CONFIGS)('model: $name', ({ config, B, T }) => {
  const weights = randomWeights(config);
  const { tokens, targets } = randomBatch(config, B * T);
  const { loss, losses, logits, gradients } = modelLossAndGradients(config, weights, tokens, targets, { B, T });

  it('has a gradient for every weight, as long as the weight', () => {
    expect([...gradients.keys()].sort()).toEqual([...weights.keys()].sort());
  });

  it.each([...weights.keys()])('gradient of %s equals finite differences', (name) => {
    expectGradient({
      what: name,
      loss: () => modelLossAndGradients(config, weights, tokens, targets, { B, T }).loss,
      values: weights.get(name)!,
      gradient: gradients.get(name)!,
      numSamples: 24,
    });
  });

  it('takes the mean over the targets that are not ignored', () => {
    const counted = targets.filter((target) => target !== IGNORED_TARGET).length;
    expectClose('loss', [loss], [losses.reduce((a, b) => a + b) / counted], 1e-14);
    expectClose('logits', modelForward(config, weights, tokens, { B, T }).logits, logits, 0);
  });
});

describe('model', () => {
  const { config, B, T } = CONFIGS[0];
  const weights = randomWeights(config);
  const { tokens } = randomBatch(config, B * T);

  it('lets no later token change an earlier logit', () => {
    const before = modelForward(config, weights, tokens, { B: 1, T }).logits;
    const changed = tokens.slice(0, T);
    changed[3] = (changed[3] + 1) % config.vocabSize;
    const after = modelForward(config, weights, changed, { B: 1, T }).logits;
    expectClose('logits 0-2', after.slice(0, 3 * 11), before.slice(0, 3 * 11), 0);
    expect(after.slice(3 * 11)).not.toEqual(before.slice(3 * 11));
  });

  it('names a weight it misses, and refuses a batch with nothing to learn from', () => {
    const incomplete = new Map(weights);
    incomplete.delete('model.layers.1.mlp.up_proj.weight');
    expect(() => modelForward(config, incomplete, tokens, { B, T })).toThrow('model.layers.1.mlp.up_proj.weight');
    const ignored = new Array<number>(B * T).fill(IGNORED_TARGET);
    expect(() => modelLossAndGradients(config, weights, tokens, ignored, { B, T })).toThrow(/every target is ignored/);
  });
});
