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

it('refuses logits that are not finite', () => {
  expect(() => sampleToken(Float32Array.of(0, NaN), { temperature: 1, topP: 1 }, createRandom(1))).toThrow(/not finite/);
});
