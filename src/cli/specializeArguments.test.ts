import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readArguments, type SpecializeArguments } from './specializeArguments.mjs';

let folder: string;
let text: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'arguments-'));
  text = join(folder, 'text.txt');
  writeFileSync(text, 'words');
  mkdirSync(join(folder, 'texts', 'inner'), { recursive: true });
  for (const name of ['b.txt', 'a.txt', '.hidden', 'inner/c.md']) writeFileSync(join(folder, 'texts', name), name);
  mkdirSync(join(folder, 'pack', 'mix'), { recursive: true });
  for (const name of ['pack.json', 'mix/0.safetensors']) writeFileSync(join(folder, 'pack', name), '{}');
  mkdirSync(join(folder, 'empty'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const read = (...argv: string[]): SpecializeArguments => {
  const result = readArguments(argv);
  if (result === 'help') throw new Error('help was not asked for');
  return result;
};

it('has defaults', () => {
  expect(read('--data', text)).toEqual({
    data: [{ file: text, name: 'text.txt' }], pack: undefined, expert: 'mostFrequent', steps: undefined, seed: undefined, out: undefined, json: undefined, adapter: 'auto', engine: 'auto', without: [],
  });
});

it('takes several files and folders, in a fixed order and without hidden files', () => {
  expect(read('--data', text, '--data', join(folder, 'texts')).data.map(({ name }) => name)).toEqual(['text.txt', 'texts/a.txt', 'texts/b.txt', 'texts/inner/c.md']);
});

it("names a pack's files as pack.json does", () => {
  expect(read('--data', text, '--pack', join(folder, 'pack')).pack?.map(({ name }) => name)).toEqual(['mix/0.safetensors', 'pack.json']);
});

it('reads numbers and choices', () => {
  expect(read('--data', text, '--steps=60', '--seed', '0', '--expert', 'fitted', '--adapter', 'software', '--engine', 'wasm', '--without', 'threads,fusedProducts')).toMatchObject({
    steps: 60, seed: 0, expert: 'fitted', adapter: 'software', engine: 'wasm', without: ['threads', 'fusedProducts'],
  });
});

it('takes methods and a budget in place of an expert and steps', () => {
  expect(read('--data', text)).not.toHaveProperty('methods');
  expect(read('--data', text, '--method', 'SLM-pn:strategy=fitted', '--steps', '4')).toMatchObject({ methods: [{ method: 'SLM-pn', options: { strategy: 'fitted' } }], budget: undefined, steps: 4 });
  const { methods, budget } = read('--data', text, '--race', 'SLM SLM-mix', '--race', 'LLM', '--budget', '2minutes');
  expect(methods).toMatchObject([{ method: 'SLM' }, { method: 'SLM-mix' }, { method: 'LLM' }]);
  expect(budget).toEqual({ unit: 'minutes', amount: 2 });
  expect(read('--data', text, '--race=all').methods).toBe('all');
});

it('shows help before it complains', () => {
  expect(readArguments(['--help', '--steps', 'many'])).toBe('help');
});

it.each([
  { argv: () => [], sentence: /^--data is missing/ },
  { argv: () => ['--data', '/nowhere/text.txt'], sentence: /^--data \/nowhere\/text\.txt: there is no such file or folder\.$/ },
  { argv: () => ['--data', join(folder, 'empty')], sentence: /holds no files\.$/ },
  { argv: () => ['--data', text, '--pack', join(folder, 'texts')], sentence: /holds no pack\.json\.$/ },
  { argv: () => ['--data', text, '--pack', text], sentence: /there is no such folder\.$/ },
  { argv: () => ['--data', text, '--expert', 'luck'], sentence: /^--expert must be one of mostFrequent, .*, not "luck"\.$/ },
  { argv: () => ['--data', text, '--without', 'threads,speed'], sentence: /^--without must be one of subgroups, .*, not "speed"\.$/ },
  { argv: () => ['--data', text, '--steps', '0'], sentence: /^--steps must be a whole number between 1 and 100000, not "0"\.$/ },
  { argv: () => ['--data', text, '--steps', '1e3'], sentence: /^--steps must be a whole number/ },
  { argv: () => ['--data', text, '--seed', '2147483648'], sentence: /^--seed must be a whole number/ },
  { argv: () => ['--data', text, '--method', 'SLM', '--race', 'LLM'], sentence: /^--method is one run and --race several: give one of the two\.$/ },
  { argv: () => ['--data', text, '--method', 'SLM', '--expert', 'fitted'], sentence: /^--expert does not go with --method or --race: write SLM-pn:strategy=fitted as the method\.$/ },
  { argv: () => ['--data', text, '--race', 'all', '--expert', 'mixture'], sentence: /^--expert does not go .*SLM-pn:strategy=mixture/ },
  { argv: () => ['--data', text, '--race', 'all', '--steps', '5', '--budget', '9tokens'], sentence: /^--steps and --budget both say how long to train: give one of the two\.$/ },
  { argv: () => ['--data', text, '--budget', '9tokens'], sentence: /^--budget goes with --method or --race; without them, use --steps\.$/ },
  { argv: () => ['--data', text, '--race', 'all', '--budget', 'much'], sentence: /^--budget must be a number above zero .* not "much"\.$/ },
  { argv: () => ['--data', text, '--method', 'PN'], sentence: /^--method: there is no method "PN"/ },
  { argv: () => ['--data', text, '--race', 'SLM SLM'], sentence: /^--race names SLM twice\.$/ },
  { argv: () => ['--data', text, '--out', text], sentence: /this is a file, not a folder\.$/ },
  { argv: () => ['--data', text, '--fast'], sentence: /--fast.*--help\.$/ },
  { argv: () => ['--data', text, 'more.txt'], sentence: /more\.txt.*--help\.$/ },
  { argv: () => ['--data'], sentence: /--data.*--help\.$/ },
])('says in one sentence what is wrong: $sentence', ({ argv, sentence }) => {
  let message = '';
  try {
    readArguments(argv());
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toMatch(sentence);
  expect(message).not.toContain('\n');
});
