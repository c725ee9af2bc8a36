// Bootstrap interval of perplexity over documents (Efron 1979): documents, not tokens, are drawn with replacement, because the tokens of a document
// are not independent.
import { createRandom } from '../core/random.ts';

export interface DocumentLoss {
  /** Sum of nats over the document's tokens. */
  readonly nats: number;
  readonly tokens: number;
}

/** 95% percentile interval [low, high] of exp(total nats / total tokens). One document gives an interval of no width. */
export function perplexityInterval(documents: readonly DocumentLoss[], seed: number, resamples = 1000): readonly [number, number] {
  const random = createRandom(seed);
  const values = new Float64Array(resamples);
  for (let sample = 0; sample < resamples; sample++) {
    let nats = 0;
    let tokens = 0;
    for (let draw = 0; draw < documents.length; draw++) {
      const chosen = documents[random.integer(documents.length)];
      nats += chosen.nats;
      tokens += chosen.tokens;
    }
    values[sample] = Math.exp(nats / tokens);
  }
  values.sort();
  const quantile = (q: number): number => values[Math.min(resamples - 1, Math.max(0, Math.round(q * (resamples - 1))))];
  return [quantile(0.025), quantile(0.975)];
}
