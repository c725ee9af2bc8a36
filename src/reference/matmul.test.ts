import { describe, expect, it } from 'vitest';
import { expectClose } from '../testing/allclose.ts';
import { dot, expectGradient, randomNormals } from '../testing/gradcheck.ts';
import { matmul, type MatmulShape } from './matmul.ts';

const SHAPES: MatmulShape[] = [{ M: 5, N: 7, K: 3 }, { M: 1, N: 9, K: 4 }, { M: 6, N: 1, K: 5 }, { M: 3, N: 2, K: 1 }, { M: 1, N: 1, K: 1 }];

const transpose = (x: Float64Array, rows: number, columns: number): Float64Array =>
  Float64Array.from(x, (_, i) => x[(i % rows) * columns + Math.floor(i / rows)]);

describe('matmul', () => {
  it('multiplies a case worked by hand', () => {
    expect([...matmul('NN', [1, 2, 3, 4], [5, 6, 7, 8], { M: 2, N: 2, K: 2 })]).toEqual([19, 22, 43, 50]);
    expect([...matmul('NT', [1, 2, 3, 4], [5, 6, 7, 8], { M: 2, N: 2, K: 2 })]).toEqual([17, 23, 39, 53]);
    expect([...matmul('TN', [1, 2, 3, 4], [5, 6, 7, 8], { M: 2, N: 2, K: 2 })]).toEqual([26, 30, 38, 44]);
  });

  it.each(SHAPES)('has three forms of one product at $M x $N x $K', (shape) => {
    const { M, N, K } = shape;
    const a = randomNormals(M * K, 1);
    const b = randomNormals(K * N, 2);
    const expected = matmul('NN', a, b, shape);
    expectClose('NT', matmul('NT', a, transpose(b, K, N), shape), expected, 1e-14);
    expectClose('TN', matmul('TN', transpose(a, M, K), b, shape), expected, 1e-14);
  });

  it.each(SHAPES)('gives a linear layer its gradients through NN and TN at $M x $N x $K', (shape) => {
    const { M, N, K } = shape;
    const x = randomNormals(M * K, 3);
    const weight = randomNormals(N * K, 4);
    const dy = randomNormals(M * N, 5);
    const loss = () => dot(matmul('NT', x, weight, shape), dy);
    expectGradient({ what: 'dx', loss, values: x, gradient: matmul('NN', dy, weight, { M, N: K, K: N }) });
    expectGradient({ what: 'dWeight', loss, values: weight, gradient: matmul('TN', dy, x, { M: N, N: K, K: M }) });
  });

  it('spreads a NaN only over its row', () => {
    const y = matmul('NT', [NaN, 1, 1, 1], [1, 2, 3, 4], { M: 2, N: 2, K: 2 });
    expect([...y].map(Number.isNaN)).toEqual([true, true, false, false]);
  });
});
