// Choosing the next token from logits on the CPU: temperature, nucleus (top-p, Holtzman et al. 2019, arXiv 1904.09751), seeded.
import type { Random } from '../core/random.ts';

export interface SamplingOptions {
  /** 0 picks the most likely token. */
  readonly temperature: number;
  /** In (0, 1]: sample from the smallest set of tokens whose probabilities sum to at least this. */
  readonly topP: number;
}

/** @throws when a logit is NaN or infinite, so that a broken model never looks like a fluent one */
export function sampleToken(logits: Float32Array, { temperature, topP }: SamplingOptions, random: Random): number {
  let best = 0;
  for (let id = 0; id < logits.length; id++) {
    if (!Number.isFinite(logits[id])) throw new Error(`The model's output is not finite at token ${id}`);
    if (logits[id] > logits[best]) best = id;
  }
  if (!(temperature > 0)) return best;
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a]);
  const weights = order.map((id) => Math.exp((logits[id] - logits[best]) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let kept = 0;
  let mass = 0;
  while (kept < weights.length && mass < topP * total) mass += weights[kept++];
  let draw = random.next() * mass;
  for (let i = 0; i < kept; i++) {
    draw -= weights[i];
    if (draw < 0) return order[i];
  }
  return order[Math.max(0, kept - 1)];
}
