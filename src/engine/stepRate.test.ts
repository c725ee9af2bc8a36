import { expect, it } from 'vitest';
import { StepRate } from './stepRate.ts';

it('is that of the latest steps, however their figures arrive', () => {
  const rate = new StepRate();
  expect(rate.next(100, 4)).toBe(25);
  for (let pair = 0; pair < 10; pair++) {
    rate.next(100, 1.99);
    rate.next(100, 0.01);
  }
  expect(rate.next(100, 1.99)).toBeGreaterThan(75);
  expect(rate.next(100, 0.01)).toBeCloseTo(100, 9);
});
