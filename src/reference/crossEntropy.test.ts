import { describe, expect, it } from 'vitest';
import { expectClose } from '../testing/allclose.ts';
import { dot, expectGradient, randomNormals } from '../testing/gradcheck.ts';
import { crossEntropyBackward, crossEntropyForward, IGNORED_TARGET } from './crossEntropy.ts';

const CASES = [
  { targets: [4, 0, IGNORED_TARGET, 6, 4], V: 7 },
  { targets: [2], V: 3 },
  { targets: [0, 0], V: 1 },
  { targets: [IGNORED_TARGET, 1], V: 2 },
];

describe('crossEntropy', () => {
  it('is log V on equal logits, and 0 where the target is ignored', () => {
    const losses = crossEntropyForward(new Float64Array(10), [3, IGNORED_TARGET], { rows: 2, V: 5 });
    expectClose('losses', losses, [Math.log(5), 0], 1e-15);
  });

  it.each(CASES)('backward equals finite differences for $targets of $V', ({ targets, V }) => {
    const shape = { rows: targets.length, V };
    const logits = randomNormals(shape.rows * V, 1);
    const scale = 0.37;
    expectGradient({
      what: 'dLogits',
      loss: () => scale * dot(crossEntropyForward(logits, targets, shape), new Float64Array(shape.rows).fill(1)),
      values: logits,
      gradient: crossEntropyBackward(logits, targets, scale, shape),
    });
  });

  it('does not overflow on huge logits and keeps a NaN in its own row', () => {
    const losses = crossEntropyForward([5000, 4000, -5000, NaN, 1, 2], [1, 1], { rows: 2, V: 3 });
    expectClose('huge', losses.slice(0, 1), [1000], 1e-12);
    expect(losses[1]).toBeNaN();
  });
});
