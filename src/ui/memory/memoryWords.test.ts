import { expect, it } from 'vitest';
import { DEFAULT_RUN_CONFIG, type MemorySettings } from '../../config/runConfig.ts';
import { estimateSentence, offerLabel } from './memoryWords.ts';

const INSTEAD: MemorySettings = { batchSize: 8, gradientAccumulation: 1, recomputeActivations: false };
const labelOf = (settings: Partial<MemorySettings>): string => offerLabel({ instead: INSTEAD, settings: { ...INSTEAD, ...settings }, bytes: 1 });

it('says what a button will change', () => {
  expect(labelOf({ recomputeActivations: true })).toBe('Recompute activations (slower, same result)');
  expect(labelOf({ batchSize: 2, gradientAccumulation: 4 })).toBe('Use batches of 2, 4 per step');
  expect(labelOf({ batchSize: 1, gradientAccumulation: 8, recomputeActivations: true })).toBe('Use batches of 1, 8 per step, and recomputed activations');
});

it('says what settings take, and by which means', () => {
  const bytes = 182 * 2 ** 20;
  expect(estimateSentence('run', { bytes }, DEFAULT_RUN_CONFIG)).toBe('About 182 MB of GPU memory.');
  expect(estimateSentence('run', { bytes }, { batchSize: 2, gradientAccumulation: 4, recomputeActivations: true })).toBe('About 182 MB of GPU memory, with batches of 2, 4 per step and activations recomputed.');
  expect(estimateSentence('race', { bytes }, DEFAULT_RUN_CONFIG)).toBe('About 182 MB of GPU memory for the chosen methods together.');
  expect(estimateSentence('run', { problem: 'Too large.' }, DEFAULT_RUN_CONFIG)).toBe('Too large.');
});
