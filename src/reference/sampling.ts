// CPU twin of choosing the next token: sorts, where the kernels search. https://arxiv.org/abs/1904.09751 (nucleus)

export interface SamplingRule {
  /** 0 picks the most likely token. */
  readonly temperature: number;
  /** In (0, 1]. */
  readonly topP: number;
  /** 0: all. */
  readonly topK?: number;
}

/**
 * The id for a draw in [0, 1) from logits [V]: of the kept tokens in order of their ids, the one in whose share of the kept probability the draw falls. Kept are the topK largest, then the fewest of those that reach topP
 * of their sum; of equal ones the lower ids first. @throws Error when a logit is NaN or infinite
 */
export function chosenToken(logits: ArrayLike<number>, { temperature, topP, topK = 0 }: SamplingRule, draw: number): number {
  const values = Array.from(logits);
  const broken = values.findIndex((value) => !Number.isFinite(value));
  if (broken >= 0) throw new Error(`The logit of token ${broken} is ${values[broken]}`);
  const largest = values.reduce((a, b) => Math.max(a, b));
  if (!(temperature > 0)) return values.indexOf(largest);
  const weights = values.map((value) => Math.exp((value - largest) / temperature));
  const likeliestFirst = weights.map((_, id) => id).sort((a, b) => weights[b] - weights[a] || a - b);
  let kept = topK > 0 ? likeliestFirst.slice(0, topK) : likeliestFirst;
  if (topP < 1) {
    const wanted = topP * sumOf(kept, weights);
    let reached = 0;
    let count = 0;
    while (count < kept.length && reached < wanted) reached += weights[kept[count++]];
    kept = kept.slice(0, count);
  }
  kept.sort((a, b) => a - b);
  let left = draw * sumOf(kept, weights);
  return kept.find((id) => (left -= weights[id]) < 0) ?? kept[kept.length - 1];
}

const sumOf = (ids: readonly number[], weights: readonly number[]): number => ids.reduce((sum, id) => sum + weights[id], 0);
