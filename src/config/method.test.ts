import { describe, expect, it } from 'vitest';
import { DEFAULT_CHOICES, invalidMethodField, lackingPart, METHOD_NAMES, METHOD_RANGES, METHODS, methodOptions, packPartsOf, type MethodChoice } from './method.ts';

const changed = (choice: MethodChoice, change: Record<string, unknown>): MethodChoice => ({ ...choice, ...change }) as MethodChoice;

describe('methods', () => {
  it('are the seven of the paper, each with a valid default and a sentence', () => {
    expect(METHOD_NAMES).toHaveLength(7);
    expect(Object.keys(METHODS)).toEqual(METHOD_NAMES);
    for (const name of METHOD_NAMES) {
      expect(DEFAULT_CHOICES[name].method).toBe(name);
      expect(invalidMethodField(DEFAULT_CHOICES[name])).toBeUndefined();
      expect(METHODS[name].description).toMatch(/^[A-Z][^.]+\.$/);
    }
  });

  it('need of the pack what their options ask for', () => {
    expect(packPartsOf(DEFAULT_CHOICES['SLM-nopt'])).toEqual([]);
    expect(packPartsOf(DEFAULT_CHOICES['SLM-is'])).toEqual(['slm', 'clusters', 'reservoir']);
    expect(packPartsOf({ method: 'SLM-is', start: 'random', pretrainingSteps: 5 })).toEqual(['clusters', 'reservoir']);
  });

  it('say what a pack lacks for them', () => {
    const bare = { mixtureExperts: 0, largeModel: false, reservoir: false };
    expect(METHOD_NAMES.map((name) => lackingPart(DEFAULT_CHOICES[name], bare))).toEqual([
      undefined, undefined, undefined, 'mixture experts', 'a reservoir of generic text', 'a large model', 'a large model',
    ]);
    const full = { mixtureExperts: 4, largeModel: true, reservoir: true };
    for (const name of METHOD_NAMES) expect(lackingPart(DEFAULT_CHOICES[name], full)).toBeUndefined();
  });

  it('name their options as the page does', () => {
    expect(methodOptions({ method: 'SLM-pn', strategy: 'fitted', cluster: undefined, fittedSteps: 9, halving: false })).toEqual([
      { field: 'strategy', label: 'Strategy', value: 'fitted' },
      { field: 'fittedSteps', label: 'Fitting steps', value: 9 },
      { field: 'halving', label: 'Successive halving', value: false },
    ]);
  });
});

describe('invalidMethodField', () => {
  it('accepts both ends of every range', () => {
    expect(invalidMethodField({ method: 'SLM-d', weight: METHOD_RANGES.weight.min, temperature: METHOD_RANGES.temperature.max, teacherSteps: METHOD_RANGES.teacherSteps.max })).toBeUndefined();
    expect(invalidMethodField({ method: 'SLM-pn', strategy: 'bestFineTuned', cluster: 0, fittedSteps: 1, halving: false })).toBeUndefined();
  });

  it.each<[MethodChoice, Record<string, unknown>, string]>([
    [DEFAULT_CHOICES['SLM-d'], { weight: 1.5 }, 'Teacher weight must be between 0 and 1, not 1.5.'],
    [DEFAULT_CHOICES['SLM-d'], { temperature: 0 }, 'Temperature must be between 0.1 and 20, not 0.'],
    [DEFAULT_CHOICES['SLM-d'], { temperature: NaN }, 'Temperature must be between 0.1 and 20, not NaN.'],
    [DEFAULT_CHOICES['SLM-d'], { teacherSteps: '7' }, 'Teacher steps must be between 1 and 100000, not 7.'],
    [DEFAULT_CHOICES['SLM-is'], { pretrainingSteps: 2.5 }, 'Pretraining steps must be a whole number, not 2.5.'],
    [DEFAULT_CHOICES['SLM-is'], { start: 'llm' }, 'Starting weights of SLM-is must be slm, random, not llm.'],
    [DEFAULT_CHOICES['SLM-mix'], { strategy: 'fitted' }, 'Strategy of SLM-mix must be mostFrequent, bestPretrained, not fitted.'],
    [DEFAULT_CHOICES['SLM-pn'], { cluster: -1 }, 'Cluster must be between 0 and 65535, not -1.'],
    [DEFAULT_CHOICES['SLM-pn'], { halving: 'yes' }, 'Successive halving of SLM-pn must be true, false, not yes.'],
  ])('of %j with %j', (choice, change, sentence) => {
    expect(invalidMethodField(changed(choice, change))).toBe(sentence);
  });
});
