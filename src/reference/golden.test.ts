// The float64 twin replays PyTorch's runs. Tensors are stored as float32, hence 1e-7 of a tensor's scale; losses are stored in full.
import { describe, expect, it } from 'vitest';
import { expectClose } from '../testing/allclose.ts';
import { goldenBytes, loadGolden, parseGolden, type Golden, type GoldenName } from '../testing/golden.ts';
import { adamwStep, type AdamwState } from './adamw.ts';
import { clipScale, globalNorm } from './gradientNorm.ts';
import { modelLossAndGradients } from './model.ts';

const STORED_TOLERANCE = 1e-7;
const NAMES: GoldenName[] = ['golden', 'golden-head32'];

/** Ten AdamW steps by the twins. */
function replay(golden: Golden) {
  const { config, optimizer, B, T } = golden;
  const weights = new Map([...golden.weights].map(([name, { data }]) => [name, Float64Array.from(data)]));
  const moments = new Map([...weights].map(([name, { length }]) => [name, { m: new Float64Array(length), v: new Float64Array(length) }]));
  const losses: number[] = [];
  const gradientNorms: number[] = [];
  const clipScales: number[] = [];
  for (const [index, tokens] of golden.tokens.entries()) {
    const { loss, gradients } = modelLossAndGradients(config, weights, tokens, golden.targets[index], { B, T });
    const norm = globalNorm([...gradients.values()]);
    const gradientScale = clipScale(norm, optimizer.clipNorm);
    losses.push(loss);
    gradientNorms.push(norm);
    clipScales.push(gradientScale);
    for (const [name, values] of weights) {
      const state: AdamwState = { weights: values, gradients: gradients.get(name)!, ...moments.get(name)! };
      const weightDecay = golden.weights.get(name)!.shape.length === 2 ? optimizer.weightDecay : 0;
      adamwStep(state, { ...optimizer, weightDecay, step: index + 1, gradientScale });
    }
  }
  return { weights, losses, gradientNorms, clipScales };
}

function expectSameTensors(golden: Golden['gradients'], twin: ReadonlyMap<string, Float64Array>): void {
  expect([...twin.keys()].sort()).toEqual([...golden.keys()].sort());
  for (const [name, { data }] of golden) expectClose(name, twin.get(name)!, data, STORED_TOLERANCE);
}

describe.each(NAMES)('golden run %s', (name) => {
  it("has PyTorch's logits, loss and every gradient on step 1", async () => {
    const golden = await loadGolden(name);
    const weights = new Map([...golden.weights].map(([key, { data }]) => [key, data]));
    const { loss, logits, gradients } = modelLossAndGradients(golden.config, weights, golden.tokens[0], golden.targets[0], golden);
    expectClose('logits', logits, golden.logits, STORED_TOLERANCE);
    expectClose('loss', [loss], [golden.losses[0]], 1e-12);
    expectSameTensors(golden.gradients, gradients);
  });

  it("has PyTorch's losses, gradient norms and final weights over ten AdamW steps", async () => {
    const golden = await loadGolden(name);
    const twin = replay(golden);
    expect(twin.losses).toHaveLength(10);
    expectClose('losses', twin.losses, golden.losses, 1e-10);
    expectClose('gradient norms', twin.gradientNorms, golden.gradientNorms, 1e-10);
    expectSameTensors(golden.finalWeights, twin.weights);
  });
});

describe('golden runs together', () => {
  it('hold clipped and unclipped steps, and ignored targets', async () => {
    const [first, second] = await Promise.all(NAMES.map((name) => loadGolden(name)));
    expect(replay(first).clipScales.every((scale) => scale < 1)).toBe(true);
    expect(new Set(replay(second).clipScales.map((scale) => scale < 1))).toEqual(new Set([true, false]));
    expect(first.targets.map((targets) => targets.filter((target) => target === 0xffffffff).length)).toEqual([0, 0, 0, 1, 0, 0, 0, 2, 0, 0]);
  });

  it.each(['logits', 'gradients', 'finalWeights'] as const)('fail the comparison on one NaN in the file: %s', async (part) => {
    const bytes = await goldenBytes();
    const damaged = parseGolden(bytes);
    // The parsed arrays are views of the file's bytes, so this damages the file.
    const values = part === 'logits' ? damaged.logits : damaged[part].get('model.layers.1.mlp.down_proj.weight')!.data;
    values[5] = NaN;
    const golden = parseGolden(bytes);
    const { logits, gradients } = modelLossAndGradients(
      golden.config, new Map([...golden.weights].map(([key, { data }]) => [key, data])), golden.tokens[0], golden.targets[0], golden,
    );
    const compare = {
      logits: () => expectClose('logits', logits, golden.logits, STORED_TOLERANCE),
      gradients: () => expectSameTensors(golden.gradients, gradients),
      finalWeights: () => expectSameTensors(golden.finalWeights, replay(golden).weights),
    };
    expect(compare[part]).toThrow(/over 1e-7 at 5: got .*, expected NaN/);
  });

  it('are refused when a tensor is missing', async () => {
    const bytes = await goldenBytes();
    const text = new Uint8Array(bytes);
    const at = new TextDecoder('latin1').decode(bytes).indexOf('"logits"');
    text[at + 1] = 'L'.charCodeAt(0);
    expect(() => parseGolden(bytes)).toThrow('golden run golden: no tensor logits');
  });
});
