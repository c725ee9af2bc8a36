// Choosing the next token from logits on the CPU: temperature, nucleus (top-p, Holtzman et al. 2019, arXiv 1904.09751), seeded.
import type { Random } from '../core/random.ts';

export interface SamplingOptions {
  /** 0 picks the most likely token. */
  readonly temperature: number;
  /** In (0, 1]: sample from the smallest set of tokens whose probabilities sum to at least this. */
  readonly topP: number;
}

/** Weights of the tokens, reused from call to call: generation allocates nothing that grows with the vocabulary. */
let weights = new Float32Array(0);
let ascending = new Float32Array(0);

/** The id drawn from `logits` [V]. @throws when a logit is NaN or infinite, so that a broken model never looks like a fluent one */
export function sampleToken(logits: Float32Array, { temperature, topP }: SamplingOptions, random: Random): number {
  let best = 0;
  for (let id = 0; id < logits.length; id++) {
    if (!Number.isFinite(logits[id])) throw new Error(`The model's output is not finite at token ${id}`);
    if (logits[id] > logits[best]) best = id;
  }
  if (!(temperature > 0)) return best;
  if (weights.length !== logits.length) [weights, ascending] = [new Float32Array(logits.length), new Float32Array(logits.length)];
  let total = 0;
  for (let id = 0; id < logits.length; id++) {
    weights[id] = Math.exp((logits[id] - logits[best]) / temperature);
    total += weights[id];
  }
  const nucleus = topP < 1 ? nucleusOf(topP * total) : { least: 0, numLeast: logits.length, mass: total };
  let draw = random.next() * nucleus.mass;
  let { numLeast } = nucleus;
  let last = best;
  for (let id = 0; id < logits.length; id++) {
    if (weights[id] < nucleus.least || (weights[id] === nucleus.least && numLeast-- <= 0)) continue;
    last = id;
    draw -= weights[id];
    if (draw < 0) return id;
  }
  return last;
}

interface Nucleus {
  /** The smallest weight in it, and how many tokens of just that weight are in it. */
  readonly least: number;
  readonly numLeast: number;
  readonly mass: number;
}

/** The fewest of the largest weights that reach `wanted`. Values are sorted, not ids: a typed array sorts natively. */
function nucleusOf(wanted: number): Nucleus {
  ascending.set(weights);
  ascending.sort();
  let mass = 0;
  let at = ascending.length;
  while (at > 0 && mass < wanted) mass += ascending[--at];
  const least = ascending[at] ?? 0;
  let numLeast = 0;
  while (ascending[at + numLeast] === least) numLeast++;
  return { least, numLeast, mass };
}
