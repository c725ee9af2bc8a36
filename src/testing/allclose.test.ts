import { expect, it } from 'vitest';
import { expectClose, expectSameBits, relativeError } from './allclose.ts';

it('passes equal and close values, measured against the largest magnitude', () => {
  expectClose('same', [1, 2], [1, 2], 0);
  expectClose('close', [1.00001, 0], [1, 0], 2e-5);
  expect(relativeError([1, 100.1], [1, 100]).relativeError).toBeCloseTo(0.001, 6);
});

it('fails on NaN on either side, on infinity and on another length', () => {
  for (const [actual, expected] of [[[NaN], [1]], [[1], [NaN]], [[NaN], [NaN]], [[Infinity], [1]], [[1, 2], [1]]]) {
    expect(() => expectClose('bad', actual, expected, 1e9)).toThrow(/bad: relative error/);
  }
});

it('tells the same bits from close ones, from NaN and from another length', () => {
  expectSameBits('same', Float32Array.of(1, -0), Float32Array.of(1, -0));
  for (const [actual, expected] of [[[1], [1.0000001]], [[0], [-0]], [[NaN], [NaN]], [[1, 2], [1]]]) {
    expect(() => expectSameBits('bad', Float32Array.from(actual), Float32Array.from(expected))).toThrow(/^bad: /);
  }
});
