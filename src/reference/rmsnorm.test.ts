import { describe, expect, it } from 'vitest';
import { expectClose } from '../testing/allclose.ts';
import { dot, expectGradient, randomNormals } from '../testing/gradcheck.ts';
import { rmsnormBackward, rmsnormForward } from './rmsnorm.ts';

const SHAPES = [{ rows: 5, C: 7 }, { rows: 1, C: 13 }, { rows: 9, C: 1 }, { rows: 1, C: 1 }, { rows: 4, C: 32 }];

describe('rmsnorm', () => {
  it('divides by the root mean square, eps inside the root', () => {
    const { y, rstd } = rmsnormForward([3, 4], [1, 2], { rows: 1, C: 2, eps: 12.5 });
    expectClose('y', y, [0.6, 1.6], 1e-15);
    expectClose('rstd', rstd, [0.2], 1e-15);
  });

  it.each(SHAPES)('backward equals finite differences at $rows x $C', ({ rows, C }) => {
    const x = randomNormals(rows * C, 1);
    const weight = randomNormals(C, 2);
    const dy = randomNormals(rows * C, 3);
    const eps = 0.05; // large enough that a one-column row is not a step function
    const { rstd } = rmsnormForward(x, weight, { rows, C, eps });
    const { dx, dWeight } = rmsnormBackward(dy, x, weight, rstd, { rows, C });
    const loss = () => dot(rmsnormForward(x, weight, { rows, C, eps }).y, dy);
    expectGradient({ what: 'dx', loss, values: x, gradient: dx });
    expectGradient({ what: 'dWeight', loss, values: weight, gradient: dWeight });
  });

  it('keeps a zero row finite and a NaN in its own row', () => {
    const { y } = rmsnormForward([0, 0, NaN, 1, 1, 1], [1, 1], { rows: 3, C: 2, eps: 1e-5 });
    expect([...y].map(Number.isNaN)).toEqual([false, false, true, true, false, false]);
  });
});
