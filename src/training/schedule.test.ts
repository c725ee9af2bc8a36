import { expect, it } from 'vitest';
import { DEFAULT_RUN_CONFIG } from '../config/runConfig.ts';
import { learningRateAt } from './schedule.ts';

const config = { ...DEFAULT_RUN_CONFIG, steps: 100, warmupSteps: 10, learningRate: 1, finalLearningRateShare: 0.1 };

it('warms up linearly and reaches the peak at the last warm-up step', () => {
  expect(learningRateAt(1, config)).toBeCloseTo(0.1, 12);
  expect(learningRateAt(10, config)).toBe(1);
});

it('falls along a cosine to the final share', () => {
  expect(learningRateAt(55, config)).toBeCloseTo(0.55, 12);
  expect(learningRateAt(100, config)).toBeCloseTo(0.1, 12);
  for (let step = 11; step < 100; step++) expect(learningRateAt(step + 1, config)).toBeLessThan(learningRateAt(step, config));
});

it('stays at the peak when constant, also without warm-up', () => {
  expect(learningRateAt(1, { ...config, schedule: 'constant', warmupSteps: 0 })).toBe(1);
  expect(learningRateAt(100, { ...config, schedule: 'constant' })).toBe(1);
});
