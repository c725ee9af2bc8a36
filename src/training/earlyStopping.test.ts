import { expect, it } from 'vitest';
import { EarlyStopping } from './earlyStopping.ts';

it('stops after `patience` evaluations without improvement and remembers the best', () => {
  const stopping = new EarlyStopping(2);
  expect(stopping.record(10, 3)).toBe(true);
  expect(stopping.record(20, 2)).toBe(true);
  expect(stopping.record(30, 2)).toBe(false);
  expect(stopping.shouldStop).toBe(false);
  expect(stopping.record(40, 2.5)).toBe(false);
  expect(stopping.shouldStop).toBe(true);
  expect(stopping.bestStep).toBe(20);
});

it('does not take NaN for an improvement', () => {
  const stopping = new EarlyStopping(1);
  expect(stopping.record(10, NaN)).toBe(false);
  expect(stopping.shouldStop).toBe(true);
});

it('never stops with patience 0', () => {
  const stopping = new EarlyStopping(0);
  for (let step = 1; step < 100; step++) stopping.record(step, 1);
  expect(stopping.shouldStop).toBe(false);
});
