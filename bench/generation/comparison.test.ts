import { describe, expect, it } from 'vitest';
import { compare, requireSame, type Timeline } from './comparison.ts';

const ours: Timeline = { name: 'ours', ours: true, runsOn: 'wasm', wholeMilliseconds: [900, 100, 120, 110], firstMilliseconds: [700, 10, 11, 9] };
const other: Timeline = { name: 'other', ours: false, runsOn: 'wasm', wholeMilliseconds: [1, 220, 220], firstMilliseconds: [1, 20, 20] };

describe('compare', () => {
  it('counts tokens over medians without the first round, and ratios to ours on the same kind of device', () => {
    const rows = compare([ours, other, { ...other, runsOn: 'webgpu' }], 11);
    expect(rows[0].tokensPerSecond).toBeCloseTo(100, 9);
    expect(rows[0].bestTokensPerSecond).toBeCloseTo(110, 9);
    expect(rows[0].decodeTokensPerSecond).toBeCloseTo(100, 9);
    expect(rows[0].oursIsFaster).toBeUndefined();
    expect(rows[1].oursIsFaster?.whole).toBeCloseTo(2, 9);
    expect(rows[1].oursIsFaster?.best).toBeCloseTo(2.2, 9);
    expect(rows[1].oursIsFaster?.decode).toBeCloseTo(2, 9);
    expect(rows[2].oursIsFaster).toBeUndefined();
  });

  it('refuses a contestant that only compiled', () => {
    expect(() => compare([{ ...ours, wholeMilliseconds: [1] }], 11)).toThrow(/only compiles/);
  });
});

it('tells other answers, as ids and as text', () => {
  const decode = (ids: readonly number[]): string => ids.join('.');
  requireSame('one', [1, 2], [1, 2], decode);
  requireSame('one', '1.2', [1, 2], decode);
  for (const wrong of [[1], [1, 3], [1, 2, 3], [1, NaN], '1.3', '']) expect(() => requireSame('one', wrong, [1, 2], decode)).toThrow(/one says something else/);
});
