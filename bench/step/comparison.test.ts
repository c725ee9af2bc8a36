import { describe, expect, it } from 'vitest';
import { compare, median } from './comparison.ts';

describe('compare', () => {
  const ours = { name: 'ours', milliseconds: [900, 10, 12, 11], losses: [8, 7, 6, 5] };

  it('takes medians without the first step, and ratios to ours', () => {
    const rows = compare([ours, { name: 'other', milliseconds: [5000, 40, 48], losses: [8, 7.001, 6] }]);
    expect(rows.map((row) => row.medianMilliseconds)).toEqual([11, 44]);
    expect(rows[1].timesOurs).toBe(4);
  });

  it('refuses other losses, NaN, and a contestant that only compiled', () => {
    expect(() => compare([ours, { name: 'other', milliseconds: [1, 1], losses: [8, 7.1] }])).toThrow(/other computes another step/);
    expect(() => compare([ours, { name: 'other', milliseconds: [1, 1], losses: [8, NaN] }])).toThrow(/other computes another step/);
    expect(() => compare([ours, { name: 'other', milliseconds: [1], losses: [8] }])).toThrow(/only compiles/);
  });
});

it('takes the mean of the middle two of an even number', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
});
