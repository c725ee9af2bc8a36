import { describe, expect, it } from 'vitest';
import { DEFAULT_CHOICES } from './method.ts';
import { DEFAULT_RUN_CONFIG } from './runConfig.ts';
import { settingsDifference } from './runRecord.ts';

describe('settingsDifference', () => {
  it('of the same run is empty', () => {
    const run = { method: DEFAULT_CHOICES['SLM-pn'], settings: DEFAULT_RUN_CONFIG };
    expect(settingsDifference(run, { method: { ...run.method }, settings: { ...run.settings } })).toEqual([]);
  });

  it('tells method, then options, then settings, absent ones included', () => {
    expect(settingsDifference(
      { method: { method: 'SLM-pn', strategy: 'fitted', cluster: 3 }, settings: DEFAULT_RUN_CONFIG },
      { method: { method: 'SLM-mix', strategy: 'mostFrequent' }, settings: { ...DEFAULT_RUN_CONFIG, seed: 9, schedule: 'constant' }, budget: { unit: 'minutes', amount: 2.5 } },
    )).toEqual([
      { field: 'method', label: 'Method', a: 'Projected network', b: 'Hard mixture' },
      { field: 'strategy', label: 'Strategy', a: 'fitted', b: 'mostFrequent' },
      { field: 'cluster', label: 'Cluster', a: 3, b: undefined },
      { field: 'budget', label: 'Budget', a: undefined, b: '2.5 minutes' },
      { field: 'schedule', label: 'Schedule', a: 'cosine', b: 'constant' },
      { field: 'seed', label: 'Seed', a: DEFAULT_RUN_CONFIG.seed, b: 9 },
    ]);
  });

  it('tells which part of the text each was trained on', () => {
    const run = { method: DEFAULT_CHOICES.SLM, settings: DEFAULT_RUN_CONFIG };
    expect(settingsDifference({ ...run, trainingPart: { share: 0.125, documents: 3, tokens: 700 } }, run)).toEqual([{ field: 'trainingPart', label: 'Training text', a: '12.5% of it', b: undefined }]);
  });

  it('tells options that only the second has before the settings', () => {
    const fields = settingsDifference({ method: { method: 'SLM' }, settings: DEFAULT_RUN_CONFIG }, { method: DEFAULT_CHOICES['SLM-d'], settings: { ...DEFAULT_RUN_CONFIG, steps: 5 } }).map(({ field }) => field);
    expect(fields).toEqual(['method', 'weight', 'temperature', 'teacherSteps', 'steps']);
  });
});
