// The loss scale's way: where it starts, what halves and what doubles it, and where it ends.
import { expect, it } from 'vitest';
import { LossScale } from './lossScale.ts';

it('starts at the power of two next to the number of targets, and stays there whatever the next step has', () => {
  for (const [numTargets, scale] of [[1, 1], [512, 512], [1000, 512], [2 ** 30, 2 ** 24]]) {
    const lossScale = new LossScale();
    expect(lossScale.state).toBeUndefined();
    expect(lossScale.forStep(numTargets)).toBe(scale);
    expect(lossScale.forStep(7)).toBe(scale);
  }
});

it('halves once for two steps in flight that overflow together', () => {
  const lossScale = new LossScale();
  const scale = lossScale.forStep(512);
  expect(lossScale.overflowed(scale)).toBe(true);
  expect(lossScale.overflowed(scale)).toBe(true);
  expect(lossScale.state).toEqual({ scale: 256, goodSteps: 0 });
  expect(lossScale.overflowed(256)).toBe(true);
  expect(lossScale.forStep(512)).toBe(128);
});

it('doubles after a thousand good steps in a row with the same scale, up to its bound', () => {
  const lossScale = new LossScale();
  lossScale.restore({ scale: 2 ** 23, goodSteps: 0 });
  for (let step = 0; step < 999; step++) lossScale.succeeded(2 ** 23);
  lossScale.succeeded(2 ** 22);
  expect(lossScale.state).toEqual({ scale: 2 ** 23, goodSteps: 999 });
  lossScale.overflowed(2 ** 24);
  expect(lossScale.state).toEqual({ scale: 2 ** 23, goodSteps: 0 });
  for (let step = 0; step < 3000; step++) lossScale.succeeded(lossScale.forStep(1));
  expect(lossScale.state?.scale).toBe(2 ** 24);
});

it('has nothing left below the gradients as they are', () => {
  const lossScale = new LossScale();
  lossScale.restore({ scale: 2, goodSteps: 5 });
  expect([lossScale.overflowed(2), lossScale.forStep(512), lossScale.overflowed(1)]).toEqual([true, 1, false]);
});
