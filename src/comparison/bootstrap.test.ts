import { expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import { perplexityInterval, perplexityRatioInterval } from './bootstrap.ts';

it('covers the true perplexity about 95 times in 100', () => {
  // Documents of equal length with normal mean losses: the truth is exp(3).
  const random = createRandom(7);
  let covered = 0;
  const trials = 200;
  for (let trial = 0; trial < trials; trial++) {
    const documents = Array.from({ length: 40 }, () => ({ nats: (3 + 0.5 * random.normal()) * 100, tokens: 100 }));
    const [low, high] = perplexityInterval(documents, trial, 400);
    if (low <= Math.exp(3) && Math.exp(3) <= high) covered++;
  }
  expect(covered / trials).toBeGreaterThan(0.88);
  expect(covered / trials).toBeLessThan(0.99);
});

it('has no width for one document and repeats from its seed', () => {
  expect(perplexityInterval([{ nats: 20, tokens: 10 }], 1)).toEqual([Math.exp(2), Math.exp(2)]);
  const documents = [{ nats: 20, tokens: 10 }, { nats: 30, tokens: 10 }, { nats: 25, tokens: 12 }];
  expect(perplexityInterval(documents, 3)).toEqual(perplexityInterval(documents, 3));
});

it('sees a small difference between two models on the same documents, where separate intervals overlap', () => {
  const random = createRandom(3);
  const a = Array.from({ length: 60 }, () => ({ nats: (3 + 0.5 * random.normal()) * 100, tokens: 100 }));
  const better = a.map(({ nats, tokens }) => ({ nats: nats - tokens * (0.03 + 0.01 * random.normal()), tokens }));
  const [low, high] = perplexityRatioInterval(better, a, 0.95, 1);
  expect(low).toBeLessThan(Math.exp(-0.03));
  expect(high).toBeGreaterThan(Math.exp(-0.03));
  expect(high).toBeLessThan(1);
  expect(perplexityInterval(better, 1)[1]).toBeGreaterThan(perplexityInterval(a, 1)[0]);
  expect(perplexityRatioInterval(a, a, 0.95, 1)).toEqual([1, 1]);
});

it('is wider for more confidence, and refuses other documents', () => {
  const random = createRandom(4);
  const a = Array.from({ length: 30 }, () => ({ nats: 100 * random.next(), tokens: 50 }));
  const b = a.map(({ tokens }) => ({ nats: 100 * random.next(), tokens }));
  const [low, high] = perplexityRatioInterval(a, b, 0.8, 1);
  const [lower, higher] = perplexityRatioInterval(a, b, 0.99, 1);
  expect(lower).toBeLessThan(low);
  expect(higher).toBeGreaterThan(high);
  expect(() => perplexityRatioInterval(a, b.slice(1), 0.95, 1)).toThrow('same documents');
});
