// Bootstrap intervals over documents (Efron 1979): documents, not tokens, are drawn with replacement, because the tokens of a document are not
// independent. Two models on the same documents are compared pairwise: what makes a document hard for both cancels out.
import { invariant } from '../core/invariant.ts';
import { createRandom } from '../core/random.ts';

export interface DocumentLoss {
  /** Sum of nats over the document's tokens. */
  readonly nats: number;
  readonly tokens: number;
}

/** 95% percentile interval [low, high] of exp(total nats / total tokens). One document gives an interval of no width. */
export function perplexityInterval(documents: readonly DocumentLoss[], seed: number, resamples = 1000): readonly [number, number] {
  const values = resampled(documents.length, seed, resamples, (chosen) => {
    let nats = 0;
    let tokens = 0;
    for (const index of chosen) {
      nats += documents[index].nats;
      tokens += documents[index].tokens;
    }
    return Math.exp(nats / tokens);
  });
  return percentiles(values, 0.95);
}

/**
 * Percentile interval [low, high] of perplexity(a) / perplexity(b) on the same documents: below 1 where `a` is better.
 * @param a and b: the same documents in the same order
 * @param confidence coverage of the interval, e.g. 0.95
 * @throws when the documents differ
 */
export function perplexityRatioInterval(a: readonly DocumentLoss[], b: readonly DocumentLoss[], confidence: number, seed: number, resamples = 2000): readonly [number, number] {
  invariant(a.length === b.length && a.every(({ tokens }, index) => tokens === b[index].tokens), 'models are compared on the same documents');
  const values = resampled(a.length, seed, resamples, (chosen) => {
    let difference = 0;
    let tokens = 0;
    for (const index of chosen) {
      difference += a[index].nats - b[index].nats;
      tokens += a[index].tokens;
    }
    return Math.exp(difference / tokens);
  });
  return percentiles(values, confidence);
}

/** `statistic` of `resamples` draws of `count` indices out of `count`; it must not keep what it is given. */
export function resampled<T>(count: number, seed: number, resamples: number, statistic: (chosen: Uint32Array) => T): T[] {
  const random = createRandom(seed);
  const chosen = new Uint32Array(count);
  return Array.from({ length: resamples }, () => {
    for (let draw = 0; draw < count; draw++) chosen[draw] = random.integer(count);
    return statistic(chosen);
  });
}

/** The middle `confidence` of the values: [low, high]. */
export function percentiles(values: readonly number[], confidence: number): readonly [number, number] {
  const sorted = Float64Array.from(values).sort();
  const quantile = (q: number): number => sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(q * (sorted.length - 1))))];
  return [quantile((1 - confidence) / 2), quantile((1 + confidence) / 2)];
}
