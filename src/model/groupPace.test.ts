import { expect, it } from 'vitest';
import { GroupPace } from './groupPace.ts';

/** Sizes of groups on a device that takes `milliseconds` for a token. */
function sizesAt(milliseconds: number, groups: number): number[] {
  let now = 1000;
  const pace = new GroupPace(() => now);
  return Array.from({ length: groups }, () => {
    const size = pace.nextSize();
    now += size * milliseconds;
    pace.arrived(size);
    return size;
  });
}

it('begins with one token, so that the first is seen soon, and doubles up to a moment of work', () => {
  expect(sizesAt(5, 7)).toEqual([1, 2, 4, 8, 10, 10, 10]);
});

it('stays at one token where a token takes long, and within bounds where it takes no time', () => {
  expect(sizesAt(500, 4)).toEqual([1, 2, 1, 1]);
  expect(sizesAt(0, 8)).toEqual([1, 2, 4, 8, 16, 32, 32, 32]);
});
