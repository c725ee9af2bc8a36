import { describe, expect, it } from 'vitest';
import { expectClose } from '../testing/allclose.ts';
import { dot, expectGradient, randomNormals } from '../testing/gradcheck.ts';
import { crossEntropyBackward, crossEntropyForward, IGNORED_TARGET } from './crossEntropy.ts';
import { distillationBackward, distillationForward } from './distillation.ts';

const CASES = [
  { targets: [4, 0, IGNORED_TARGET, 6, 4], V: 7, weight: 0.5, temperature: 1 },
  { targets: [1, 2, IGNORED_TARGET], V: 5, weight: 0.3, temperature: 2.5 },
  { targets: [0, 3], V: 4, weight: 1, temperature: 0.5 },
  { targets: [2], V: 3, weight: 0, temperature: 4 },
  { targets: [0, 0], V: 1, weight: 0.5, temperature: 2 },
];

describe('distillation', () => {
  it.each(CASES)('backward equals finite differences for $targets of $V, weight $weight, temperature $temperature', ({ targets, V, ...mix }) => {
    const shape = { rows: targets.length, V };
    const logits = randomNormals(shape.rows * V, 1);
    const inputs = { logits, teacherLogits: randomNormals(shape.rows * V, 2), targets };
    const scale = 0.37;
    expectGradient({
      what: 'dLogits',
      loss: () => scale * dot(distillationForward(inputs, mix, shape), new Float64Array(shape.rows).fill(1)),
      values: logits,
      gradient: distillationBackward(inputs, mix, scale, shape),
    });
  });

  it('is worked out by hand for two tokens', () => {
    const ln = Math.log;
    // softmax: student 1/3, 2/3 and teacher 3/4, 1/4; at temperature 2 of logits twice as far apart they are the same distributions.
    const divergence = 0.75 * ln(0.75 * 3) + 0.25 * ln(0.25 * 1.5);
    const shape = { rows: 1, V: 2 };
    const plain = { logits: [0, ln(2)], teacherLogits: [ln(3), 0], targets: [0] };
    expectClose('temperature 1', distillationForward(plain, { weight: 0.4, temperature: 1 }, shape), [0.6 * ln(3) + 0.4 * divergence], 1e-14);
    const apart = { logits: [0, 2 * ln(2)], teacherLogits: [2 * ln(3), 0], targets: [0] };
    expectClose('temperature 2', distillationForward(apart, { weight: 0.4, temperature: 2 }, shape), [0.6 * ln(5) + 0.4 * 4 * divergence], 1e-14);
  });

  it('is the cross-entropy without the teacher, and nothing for a student that is the teacher', () => {
    const shape = { rows: 3, V: 6 };
    const inputs = { logits: randomNormals(18, 3), teacherLogits: randomNormals(18, 4), targets: [5, 1, IGNORED_TARGET] };
    const without = { weight: 0, temperature: 3 };
    expectClose('losses', distillationForward(inputs, without, shape), crossEntropyForward(inputs.logits, inputs.targets, shape), 0);
    expectClose('dLogits', distillationBackward(inputs, without, 0.2, shape), crossEntropyBackward(inputs.logits, inputs.targets, 0.2, shape), 0);
    const itself = { ...inputs, teacherLogits: inputs.logits.map((logit) => logit + 7) };
    const alone = { weight: 1, temperature: 3 };
    for (const value of [...distillationForward(itself, alone, shape), ...distillationBackward(itself, alone, 1, shape)]) expect(Math.abs(value)).toBeLessThan(1e-14);
  });

  it('does not overflow on huge logits and keeps a NaN of either model in its own row', () => {
    const inputs = { logits: [5000, 4000, NaN, 1, 1, 2], teacherLogits: [4000, 5000, 1, 2, NaN, 1], targets: [1, 1, 1] };
    const mix = { weight: 0.5, temperature: 0.5 };
    const losses = distillationForward(inputs, mix, { rows: 3, V: 2 });
    expectClose('huge', losses.slice(0, 1), [500 + 0.5 * 0.25 * 2000], 1e-12);
    expect([losses[1], losses[2]]).toEqual([NaN, NaN]);
    expectClose('huge gradient', distillationBackward(inputs, mix, 1, { rows: 3, V: 2 }).slice(0, 2), [0.5 + 0.25, -0.5 - 0.25], 1e-12);
  });
});
