import { describe, expect, it } from 'vitest';
import { clipScale, globalNorm } from './gradientNorm.ts';

describe('gradient norm', () => {
  it('is taken over all tensors together', () => {
    expect(globalNorm([[3], [0, 4]])).toBe(5);
    expect(globalNorm([[1, 2], [NaN]])).toBeNaN();
    expect(globalNorm([])).toBe(0);
  });

  it('is brought down to the clip norm, never up, and NaN is not hidden', () => {
    expect(clipScale(4, 1)).toBe(0.25);
    expect(clipScale(0.5, 1)).toBe(1);
    expect(clipScale(0, 1)).toBe(1);
    expect(clipScale(NaN, 1)).toBeNaN();
  });
});
