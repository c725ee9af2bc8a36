import { expect, it } from 'vitest';
import { METHOD_NAMES } from '../config/method.ts';
import { BUDGET_UNITS } from '../config/runBudget.ts';
import { METHOD_FIELDS } from '../config/writtenMethod.ts';
import { METHODS, readBudget, readMethod, readRace, UNITS } from './methodArguments.mjs';
import { HELP } from './specializeArguments.mjs';

it('knows the methods, units and options that there are', () => {
  expect(METHODS).toEqual(METHOD_NAMES);
  expect(UNITS).toEqual(BUDGET_UNITS);
  for (const method of METHOD_NAMES) {
    const [, described] = new RegExp(`\\n  ${method} {2,}([^]*?)\\n(?:  \\S|\\n)`).exec(HELP) ?? [];
    expect(described, method).toBeDefined();
    for (const field of METHOD_FIELDS[method]) expect(described).toContain(`${field}=`);
  }
});

it('reads a method with its options', () => {
  expect(readMethod('LLM')).toEqual([{ text: 'LLM', method: 'LLM', options: {} }]);
  expect(readMethod('SLM-pn:strategy=fitted,fittedSteps=12')).toEqual([{ text: 'SLM-pn:strategy=fitted,fittedSteps=12', method: 'SLM-pn', options: { strategy: 'fitted', fittedSteps: '12' } }]);
});

it('reads a race from one argument or several', () => {
  const race = [
    { text: 'SLM', method: 'SLM', options: {} },
    { text: 'SLM-d:weight=0.25,temperature=2', method: 'SLM-d', options: { weight: '0.25', temperature: '2' } },
    { text: 'SLM-pn', method: 'SLM-pn', options: {} },
  ];
  expect(readRace(['SLM  SLM-d:weight=0.25,temperature=2 SLM-pn'])).toEqual(race);
  expect(readRace(['SLM', 'SLM-d:weight=0.25,temperature=2 SLM-pn'])).toEqual(race);
  expect(readRace(['all'])).toBe('all');
});

it.each([
  ['50000tokens', { unit: 'tokens', amount: 50_000 }],
  ['2minutes', { unit: 'minutes', amount: 2 }],
  ['0.5 minutes', { unit: 'minutes', amount: 0.5 }],
  ['5e11flops', { unit: 'flops', amount: 5e11 }],
  ['1.5e+12flops', { unit: 'flops', amount: 1.5e12 }],
])('reads the budget %s', (text, budget) => {
  expect(readBudget(text, 'all')).toEqual(budget);
});

it.each<[() => unknown, RegExp]>([
  [() => readMethod('SLM-foo'), /^--method: there is no method "SLM-foo"; choose from SLM, .*, LLM \(--race takes several\)\.$/],
  [() => readMethod(''), /^--method: there is no method ""; choose from/],
  [() => readMethod('SLM SLM-pn'), /^--method: there is no method "SLM SLM-pn"; .*\(--race takes several\)\.$/],
  [() => readMethod('slm'), /^--method: there is no method "slm"/],
  [() => readMethod('SLM-pn:fitted'), /^--method: write options as option=value .* not "fitted"\.$/],
  [() => readMethod('SLM-pn:'), /^--method: write options as option=value .* not ""\.$/],
  [() => readMethod('SLM-d:weight='), /^--method: write options as option=value .* not "weight="\.$/],
  [() => readMethod('SLM-d:weight=1,,temperature=2'), /^--method: write options as option=value .* not ""\.$/],
  [() => readMethod('SLM-d:weight=1,weight=2'), /^--method: weight is given twice in "weight=1,weight=2"\.$/],
  [() => readRace(['SLM,SLM-pn']), /^--race: there is no method "SLM,SLM-pn"; choose from .*, with spaces between them\.$/],
  [() => readRace(['SLM SLM-pn:strategy']), /^--race: write options as option=value .* not "strategy"\.$/],
  [() => readRace([' ']), /^--race names no method: .* or all\.$/],
  [() => readRace(['all SLM']), /^--race all takes every method .* name no others with it\.$/],
  [() => readRace(['SLM LLM', 'SLM']), /^--race names SLM twice\.$/],
  ...['50000', 'tokens', '0tokens', '-5tokens', '5hours', '1e999flops', '1.2.3tokens', '5 e11flops', '2 Minutes'].map((text): [() => unknown, RegExp] =>
    [() => readBudget(text, 'all'), new RegExp(`^--budget must be a number above zero and its unit \\(tokens, minutes, flops\\), as in .*, not "${text}"\\.$`)]),
  [() => readBudget('5tokens', readMethod('SLM-d:teacherSteps=4')), /^--budget decides about teacherSteps of SLM-d itself: leave out one of the two\.$/],
  [() => readBudget('5tokens', readRace(['SLM SLM-is:pretrainingSteps=4'])), /^--budget decides about pretrainingSteps of SLM-is itself/],
])('says in one sentence what is wrong (%#)', (read, sentence) => {
  let message = '';
  try {
    read();
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toMatch(sentence);
  expect(message).not.toContain('\n');
});
