import { expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import { perplexityInterval } from './bootstrap.ts';

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
