import { expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import { sampleToken } from './sampling.ts';

const logits = Float32Array.of(Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05));

it('picks the most likely token at temperature 0', () => {
  expect(sampleToken(logits, { temperature: 0, topP: 1 }, createRandom(1))).toBe(0);
});

it('draws with the softmax probabilities', () => {
  const random = createRandom(5);
  const counts = new Float64Array(4);
  const draws = 20_000;
  for (let i = 0; i < draws; i++) counts[sampleToken(logits, { temperature: 1, topP: 1 }, random)]++;
  [0.5, 0.3, 0.15, 0.05].forEach((p, id) => expect(Math.abs(counts[id] / draws - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / draws)));
});

it('keeps to the nucleus: the smallest set that reaches topP', () => {
  const random = createRandom(6);
  for (let i = 0; i < 2000; i++) expect(sampleToken(logits, { temperature: 1, topP: 0.75 }, random)).toBeLessThan(2);
});

it('takes no more tokens of equal probability into the nucleus than it needs', () => {
  const random = createRandom(7);
  const seen = new Set<number>();
  for (let i = 0; i < 2000; i++) seen.add(sampleToken(new Float32Array(10), { temperature: 1, topP: 0.35 }, random));
  expect([...seen].sort()).toEqual([0, 1, 2, 3]);
});

it('draws from a nucleus in proportion, whatever order the tokens come in', () => {
  const shuffled = Float32Array.of(Math.log(0.05), Math.log(0.3), Math.log(0.5), Math.log(0.15));
  const random = createRandom(8);
  const counts = new Float64Array(4);
  const draws = 20_000;
  for (let i = 0; i < draws; i++) counts[sampleToken(shuffled, { temperature: 1, topP: 0.7 }, random)]++;
  expect(counts[0] + counts[3]).toBe(0);
  expect(Math.abs(counts[2] / draws - 0.5 / 0.8)).toBeLessThan(4 * Math.sqrt(0.25 / draws));
});

it('refuses logits that are not finite', () => {
  expect(() => sampleToken(Float32Array.of(0, NaN), { temperature: 1, topP: 1 }, createRandom(1))).toThrow(/not finite/);
});
