import { describe, expect, it } from 'vitest';
import { dot, expectGradient, randomNormals } from './gradcheck.ts';

/** loss = sum of cubes, gradient = 3 x^2. */
const cubes = () => {
  const values = randomNormals(9, 1);
  return { what: 'cubes', values, loss: () => values.reduce((sum, x) => sum + x ** 3, 0), gradient: values.map((x) => 3 * x * x) };
};

describe('expectGradient', () => {
  it('passes a right gradient and puts the values back', () => {
    const check = cubes();
    const before = check.values.slice();
    expectGradient(check);
    expect(check.values).toEqual(before);
  });

  it('fails one entry that is off by a ten-thousandth of the scale', () => {
    const check = cubes();
    check.gradient[4] += 1e-4 * Math.max(...check.gradient);
    expect(() => expectGradient(check)).toThrow(/cubes: entry 4/);
  });

  it('fails a NaN in the gradient and a NaN in the loss', () => {
    const nanGradient = cubes();
    nanGradient.gradient[2] = NaN;
    expect(() => expectGradient(nanGradient)).toThrow(/NaN/);
    expect(() => expectGradient({ ...cubes(), loss: () => NaN })).toThrow(/NaN/);
  });

  it('fails a gradient of the wrong length and an all-zero gradient', () => {
    expect(() => expectGradient({ ...cubes(), gradient: new Float64Array(8) })).toThrow(/8 entries/);
    expect(() => expectGradient({ ...cubes(), gradient: new Float64Array(9) })).toThrow(/entry 0/);
  });

  it('looks at the largest entry even when it checks only two', () => {
    const check = cubes();
    const largest = check.gradient.indexOf(Math.max(...check.gradient));
    check.gradient[largest] *= 1.01;
    expect(() => expectGradient({ ...check, numSamples: 2 })).toThrow(`entry ${largest}`);
  });
});

it('dot multiplies entry by entry', () => {
  expect(dot([1, 2, 3], [4, 5, 6])).toBe(32);
});
