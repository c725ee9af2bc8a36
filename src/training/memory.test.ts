// What is offered for a run that is too large: the mildest change first, and never another step.
import { describe, expect, it } from 'vitest';
import { DEFAULT_RUN_CONFIG, memoryChange, type MemorySettings } from '../config/runConfig.ts';
import { UserError } from '../core/invariant.ts';
import { firstFitting, gentlerSettings, withinMemory } from './memory.ts';

const SETTINGS: MemorySettings = { batchSize: 4, gradientAccumulation: 1, recomputeActivations: false };
/** A made-up adapter: every window at once takes 10 bytes, half as much when recomputed. */
const bytesOf = async ({ batchSize, recomputeActivations }: MemorySettings): Promise<number> => batchSize * (recomputeActivations ? 5 : 10);
const under = (limit: number) => async (bytes: number): Promise<boolean> => bytes <= limit;

describe('gentler settings', () => {
  it('keep the windows of a step', () => {
    for (const settings of gentlerSettings({ batchSize: 6, gradientAccumulation: 2, recomputeActivations: false })) expect(settings.batchSize * settings.gradientAccumulation).toBe(12);
    expect(gentlerSettings({ batchSize: 2, gradientAccumulation: 1, recomputeActivations: true })).toEqual([
      { batchSize: 2, gradientAccumulation: 1, recomputeActivations: true },
      { batchSize: 1, gradientAccumulation: 2, recomputeActivations: true },
    ]);
  });

  it('never ask for more micro-batches than a run may have', () => {
    const last = gentlerSettings({ batchSize: 64, gradientAccumulation: 256, recomputeActivations: false }).at(-1);
    expect(last).toEqual({ batchSize: 64, gradientAccumulation: 256, recomputeActivations: true });
  });

  it('are tried from the mildest on, past those that are over a limit', async () => {
    const candidates = gentlerSettings(SETTINGS);
    expect(await firstFitting(candidates, bytesOf, under(40))).toEqual({ settings: SETTINGS, bytes: 40 });
    expect(await firstFitting(candidates, bytesOf, under(39))).toEqual({ settings: { ...SETTINGS, recomputeActivations: true }, bytes: 20 });
    expect(await firstFitting(candidates, bytesOf, under(19))).toEqual({ settings: { batchSize: 2, gradientAccumulation: 2, recomputeActivations: true }, bytes: 10 });
    expect(await firstFitting(candidates, bytesOf, under(4))).toBeUndefined();
    const limited = async (settings: MemorySettings): Promise<number> => {
      if (settings.batchSize > 2) throw new UserError('too large a buffer');
      return bytesOf(settings);
    };
    expect(await firstFitting(candidates, limited, under(40))).toMatchObject({ settings: { batchSize: 2, recomputeActivations: false } });
    await expect(firstFitting(candidates, () => Promise.reject(new Error('a bug')), under(40))).rejects.toThrow('a bug');
  });
});

describe('the limit of several runs', () => {
  it('narrows those that are wider, and leaves the windows of their steps', () => {
    const limit = { batchSize: 2, gradientAccumulation: 2, recomputeActivations: false };
    expect(withinMemory({ ...DEFAULT_RUN_CONFIG, batchSize: 4 }, limit)).toEqual({ ...DEFAULT_RUN_CONFIG, batchSize: 2, gradientAccumulation: 2 });
    expect(withinMemory({ ...DEFAULT_RUN_CONFIG, batchSize: 9 }, limit)).toMatchObject({ batchSize: 1, gradientAccumulation: 9 });
    expect(withinMemory({ ...DEFAULT_RUN_CONFIG, batchSize: 1 }, limit)).toEqual({ ...DEFAULT_RUN_CONFIG, batchSize: 1 });
    expect(withinMemory({ ...DEFAULT_RUN_CONFIG, batchSize: 1 }, { ...limit, recomputeActivations: true })).toMatchObject({ batchSize: 1, gradientAccumulation: 1, recomputeActivations: true });
  });
});

it('is told in words', () => {
  expect(memoryChange(SETTINGS, { batchSize: 2, gradientAccumulation: 2, recomputeActivations: false })).toBe('batches of 2, 2 per step');
  expect(memoryChange(SETTINGS, { ...SETTINGS, recomputeActivations: true })).toBe('recomputed activations');
  expect(memoryChange(SETTINGS, { batchSize: 1, gradientAccumulation: 4, recomputeActivations: true })).toBe('batches of 1, 4 per step, and recomputed activations');
});
