// The arguments of `npm run specialize` about methods and their budget. Which options a method has, and their values, the page checks against config/ before it
// opens the engine: this runs before anything is there that could read TypeScript.
import { CommandFailure } from './commandFailure.mjs';

/** @typedef {import('../config/method.ts').MethodName} MethodName */
/** @typedef {import('../config/runBudget.ts').BudgetUnit} BudgetUnit */
/** @typedef {import('../config/runBudget.ts').RunBudget} RunBudget */
/** @typedef {import('../config/writtenMethod.ts').WrittenMethod} WrittenMethod */

/** @type {readonly MethodName[]} */
export const METHODS = ['SLM', 'SLM-nopt', 'SLM-pn', 'SLM-mix', 'SLM-is', 'SLM-d', 'LLM'];
/** @type {readonly BudgetUnit[]} */
export const UNITS = ['tokens', 'minutes', 'flops'];

/** Options whose value a budget sets. */
const SET_BY_BUDGET = ['pretrainingSteps', 'teacherSteps'];

/** @param {string} option such as "race" @param {string} list @returns {Record<string, string>} */
function readOptions(option, list) {
  /** @type {Record<string, string>} */
  const options = {};
  for (const setting of list.split(',')) {
    const [, field, value] = /^(\w+)=(\S+)$/.exec(setting) ?? [];
    if (field === undefined) throw new CommandFailure(`--${option}: write options as option=value with commas between them, as in SLM-pn:strategy=fitted,fittedSteps=12, not "${setting}".`);
    if (Object.hasOwn(options, field)) throw new CommandFailure(`--${option}: ${field} is given twice in "${list}".`);
    options[field] = value;
  }
  return options;
}

/**
 * @param {string} option such as "race"
 * @param {string} text a method with or without options
 * @param {string} [advice] the end of the sentence where there is no such method
 * @returns {WrittenMethod}
 */
function readWritten(option, text, advice = '') {
  const [name, ...options] = text.split(':');
  const method = METHODS.find((candidate) => candidate === name);
  if (!method) throw new CommandFailure(`--${option}: there is no method "${name}"; choose from ${METHODS.join(', ')}${advice}.`);
  return { text, method, options: options.length > 0 ? readOptions(option, options.join(':')) : {} };
}

/** @param {string} text @returns {WrittenMethod[]} the one method */
export function readMethod(text) {
  return [readWritten('method', text, ' (--race takes several)')];
}

/**
 * @param {readonly string[]} texts methods with spaces between them
 * @returns {'all' | WrittenMethod[]}
 */
export function readRace(texts) {
  const words = texts.flatMap((text) => text.split(/\s+/)).filter((word) => word !== '');
  if (words.length === 0) throw new CommandFailure('--race names no method: write them with spaces between them, as in --race "SLM SLM-pn", or all.');
  if (words.includes('all')) {
    if (words.length > 1) throw new CommandFailure('--race all takes every method the pack has the parts for, so name no others with it.');
    return 'all';
  }
  const twice = words.find((word, index) => words.indexOf(word) < index);
  if (twice !== undefined) throw new CommandFailure(`--race names ${twice} twice.`);
  return words.map((word) => readWritten('race', word, ', with spaces between them'));
}

/**
 * @param {string} text
 * @param {'all' | readonly WrittenMethod[]} methods that are to use it
 * @returns {RunBudget}
 */
export function readBudget(text, methods) {
  const [, number, unit] = /^([\d.]+(?:e\+?\d+)?)\s*([a-z]+)$/i.exec(text) ?? [];
  const known = UNITS.find((candidate) => candidate === unit);
  const amount = Number(number);
  if (!known || !(amount > 0 && Number.isFinite(amount))) throw new CommandFailure(`--budget must be a number above zero and its unit (${UNITS.join(', ')}), as in 50000tokens, 2minutes or 5e11flops, not "${text}".`);
  for (const { method, options } of methods === 'all' ? [] : methods) {
    const field = SET_BY_BUDGET.find((candidate) => candidate in options);
    if (field) throw new CommandFailure(`--budget decides about ${field} of ${method} itself: leave out one of the two.`);
  }
  return { unit: known, amount };
}
