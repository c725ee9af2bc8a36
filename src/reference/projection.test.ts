import { describe, expect, it } from 'vitest';
import { expectClose } from '../testing/allclose.ts';
import { dot, expectGradient, randomNormals } from '../testing/gradcheck.ts';
import { expertCoefficients, projectionBackward, projectionForward } from './projection.ts';

const SHAPES = [{ m: 5, h: 3, size: 7 }, { m: 1, h: 1, size: 1 }, { m: 3, h: 9, size: 4 }, { m: 2, h: 4, size: 1 }];

describe('projection', () => {
  it.each(SHAPES)('is the triple sum of the paper at m $m, h $h, size $size', ({ m, h, size }) => {
    const vector = randomNormals(m, 1);
    const M = randomNormals(m * h, 2);
    const T = randomNormals(h * size, 3);
    const expected = Float64Array.from({ length: size }, (_, entry) => {
      let sum = 0;
      for (let q = 0; q < m; q++) for (let r = 0; r < h; r++) sum += vector[q] * M[q * h + r] * T[r * size + entry];
      return sum;
    });
    expectClose('W', projectionForward(expertCoefficients(vector, M, { m, h }), T, { h, size }), expected, 1e-13);
  });

  it('picks one slice for a one-hot expert over the identity: the hard mixture', () => {
    const c = expertCoefficients([0, 1, 0], [1, 0, 0, 0, 1, 0, 0, 0, 1], { m: 3, h: 3 });
    expect([...projectionForward(c, [1, 2, 3, 4, 5, 6], { h: 3, size: 2 })]).toEqual([3, 4]);
  });

  it.each(SHAPES)('backward equals finite differences at h $h, size $size', ({ h, size }) => {
    const c = randomNormals(h, 4);
    const T = randomNormals(h * size, 5);
    const dW = randomNormals(size, 6);
    expectGradient({
      what: 'dc',
      loss: () => dot(projectionForward(c, T, { h, size }), dW),
      values: c,
      gradient: projectionBackward(dW, T, { h, size }),
    });
  });
});
