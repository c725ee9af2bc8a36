import { expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import { chosenToken } from './sampling.ts';

const logits = [Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05)];
const shuffled = [Math.log(0.05), Math.log(0.3), Math.log(0.5), Math.log(0.15)];

it('picks the most likely token at temperature 0', () => {
  for (const draw of [0, 0.5, 0.999]) expect(chosenToken(shuffled, { temperature: 0, topP: 1 }, draw)).toBe(2);
});

it('gives each token its share of the draws', () => {
  for (const [draw, id] of [[0, 0], [0.499, 0], [0.501, 1], [0.799, 1], [0.801, 2], [0.949, 2], [0.951, 3], [0.9999, 3]]) expect(chosenToken(logits, { temperature: 1, topP: 1 }, draw)).toBe(id);
});

it('draws with the softmax probabilities', () => {
  const random = createRandom(5);
  const counts = new Float64Array(4);
  const draws = 20_000;
  for (let i = 0; i < draws; i++) counts[chosenToken(logits, { temperature: 1, topP: 1 }, random.next())]++;
  [0.5, 0.3, 0.15, 0.05].forEach((p, id) => expect(Math.abs(counts[id] / draws - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / draws)));
});

it('keeps to the nucleus and the top k, whatever order the tokens come in, in proportion', () => {
  for (const [rule, boundary] of [[{ topP: 0.7 }, 0.3 / 0.8], [{ topP: 1, topK: 2 }, 0.3 / 0.8]] as const) {
    for (const [draw, id] of [[0, 1], [boundary - 1e-3, 1], [boundary + 1e-3, 2], [0.9999, 2]]) expect(chosenToken(shuffled, { temperature: 1, ...rule }, draw)).toBe(id);
  }
  // Of the three likeliest 0.5 / 0.95 is not enough for 0.6, so two are kept.
  expect(chosenToken(shuffled, { temperature: 1, topK: 3, topP: 0.6 }, 0.999)).toBe(2);
});

it('takes no more tokens of equal probability than it needs', () => {
  const ids = (rule: { topP: number; topK?: number }): number[] => [...new Set(Array.from({ length: 100 }, (_, i) => chosenToken(new Float32Array(10), { temperature: 1, ...rule }, i / 100)))];
  expect(ids({ topP: 0.35 })).toEqual([0, 1, 2, 3]);
  expect(ids({ topP: 1, topK: 3 })).toEqual([0, 1, 2]);
});

it('refuses logits that are not finite', () => {
  for (const broken of [NaN, Infinity, -Infinity]) expect(() => chosenToken([0, broken], { temperature: 1, topP: 1 }, 0)).toThrow(/logit of token 1/);
});
