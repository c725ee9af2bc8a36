import { expect, it } from 'vitest';
import { UserError } from '../core/invariant.ts';
import { DEFAULT_CHOICES, METHOD_NAMES, type MethodName } from './method.ts';
import { choiceOf, METHOD_FIELDS } from './writtenMethod.ts';

const written = (method: MethodName, options: Record<string, string> = {}) => choiceOf({ text: method, method, options });

it('is the default where no option is written', () => {
  for (const method of METHOD_NAMES) expect(written(method)).toEqual(DEFAULT_CHOICES[method]);
});

it('knows every option that has a default', () => {
  for (const method of METHOD_NAMES) {
    const fields = Object.keys(DEFAULT_CHOICES[method]).filter((field) => field !== 'method');
    expect(METHOD_FIELDS[method]).toEqual(expect.arrayContaining(fields));
  }
});

it('takes numbers, words, true and false', () => {
  expect(written('SLM-pn', { strategy: 'fitted', fittedSteps: '12', halving: 'false', cluster: '0' })).toEqual({ method: 'SLM-pn', strategy: 'fitted', fittedSteps: 12, halving: false, cluster: 0 });
  expect(written('SLM-d', { weight: '0.25' })).toEqual({ ...DEFAULT_CHOICES['SLM-d'], weight: 0.25 });
  expect(written('SLM-is', { start: 'random' })).toEqual({ ...DEFAULT_CHOICES['SLM-is'], start: 'random' });
});

it.each<[MethodName, Record<string, string>, string]>([
  ['SLM-pn', { strategi: 'fitted' }, 'SLM-pn has no option strategi; it has strategy, cluster, fittedSteps, halving.'],
  ['SLM-mix', { fittedSteps: '3' }, 'SLM-mix has no option fittedSteps; it has strategy, cluster.'],
  ['SLM', { seed: '3' }, 'SLM has no option seed; it has none.'],
  ['SLM', { method: 'LLM' }, 'SLM has no option method; it has none.'],
  ['SLM-mix', { strategy: 'fitted' }, 'Strategy of SLM-mix must be mostFrequent, bestPretrained, not fitted.'],
  ['SLM-pn', { fittedSteps: 'many' }, 'Fitting steps must be between 1 and 10000, not many.'],
  ['SLM-pn', { fittedSteps: '1.5' }, 'Fitting steps must be a whole number, not 1.5.'],
  ['SLM-pn', { halving: 'no' }, 'Successive halving of SLM-pn must be true, false, not no.'],
  ['SLM-d', { temperature: '0' }, 'Temperature must be between 0.1 and 20, not 0.'],
])('%s with %j is refused in a sentence', (method, options, sentence) => {
  expect(() => written(method, options)).toThrow(new UserError(sentence));
});
