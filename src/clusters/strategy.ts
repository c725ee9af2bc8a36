// From a cluster histogram to the vector that starts the model, and the sentence that says why. Vectors are rows of E [k, m].
import { formatPercent, formatPerplexity } from '../core/format.ts';
import { invariant } from '../core/invariant.ts';
import type { PackCluster } from '../pack/packClusters.ts';

type Cluster = Pick<PackCluster, 'index' | 'label' | 'genericShare'>;

/** The cluster with the largest share, the lowest on a tie. */
export function mostFrequentCluster(histogram: readonly number[]): number {
  let best = 0;
  for (let cluster = 1; cluster < histogram.length; cluster++) if (histogram[cluster] > histogram[best]) best = cluster;
  return best;
}

/** Row `cluster` of E [k, m]: that expert's vector [m]. */
export function expertVector(E: Float32Array, k: number, cluster: number): Float32Array<ArrayBuffer> {
  invariant(Number.isInteger(cluster) && cluster >= 0 && cluster < k, `cluster ${cluster} is not among ${k}`);
  const m = E.length / k;
  return Float32Array.from(E.subarray(cluster * m, (cluster + 1) * m));
}

/** The mean of the rows of E [k, m] weighted by `histogram` [k]: a vector [m], summed in float64. */
export function mixtureVector(E: Float32Array, histogram: readonly number[]): Float32Array<ArrayBuffer> {
  const k = histogram.length;
  const m = E.length / k;
  invariant(Number.isInteger(m), `E of ${E.length} numbers does not have ${k} rows`);
  const vector = new Float64Array(m);
  for (let cluster = 0; cluster < k; cluster++) {
    for (let q = 0; q < m; q++) vector[q] += histogram[cluster] * E[cluster * m + q];
  }
  return Float32Array.from(vector);
}

/** Shannon entropy of a histogram in nats. */
export function histogramEntropy(histogram: readonly number[]): number {
  return histogram.reduce((sum, share) => (share > 0 ? sum - share * Math.log(share) : sum), 0);
}

/** exp(entropy): over how many equally used clusters a text spreads; 1 when all of it lies in one. */
export function effectiveClusters(histogram: readonly number[]): number {
  return Math.exp(histogramEntropy(histogram));
}

const named = ({ index, label }: Cluster): string => `${index} (${label})`;

/** E.g. "Cluster 3 (Linux, file, kernel) holds 62.0% of your text's windows against 14.0% of the generic set, so its expert starts the model." */
export function explainMostFrequent(clusters: readonly Cluster[], histogram: readonly number[]): string {
  const cluster = clusters[mostFrequentCluster(histogram)];
  return `Cluster ${named(cluster)} holds ${sharesOf(cluster, histogram)}, so its expert starts the model.`;
}

/** @param losses mean nats per token of every expert on a sample of the training text [k] */
export function explainBestPretrained(clusters: readonly Cluster[], histogram: readonly number[], losses: readonly number[]): string {
  const best = lowestLoss(losses);
  const frequent = mostFrequentCluster(histogram);
  const comparison = best === frequent
    ? `and its cluster is also the most frequent one, with ${formatPercent(histogram[best])} of your text's windows`
    : `against ${formatPerplexity(Math.exp(losses[frequent]))} for the expert of the most frequent cluster, ${named(clusters[frequent])}`;
  return `Of all ${clusters.length} experts, expert ${named(clusters[best])} predicts a sample of your training text best (perplexity ${formatPerplexity(Math.exp(losses[best]))}), ${comparison}, so it starts the model.`;
}

/** Index of the lowest loss; NaN never wins. */
export function lowestLoss(losses: readonly number[]): number {
  let best = 0;
  for (let i = 1; i < losses.length; i++) if (losses[i] < losses[best] || Number.isNaN(losses[best])) best = i;
  return best;
}

export function explainMixture(clusters: readonly Cluster[], histogram: readonly number[]): string {
  const largest = [...clusters]
    .sort((a, b) => histogram[b.index] - histogram[a.index] || a.index - b.index)
    .filter(({ index }) => histogram[index] > 0)
    .slice(0, 3)
    .map((cluster) => `${named(cluster)} with ${formatPercent(histogram[cluster.index])}`);
  const spread = effectiveClusters(histogram).toFixed(1);
  return `Your text spreads over about ${spread} of ${clusters.length} clusters, so the model starts from the mean of all expert vectors weighted by their shares of its windows: above all ${joinWords(largest)}.`;
}

export interface FittedOutcome {
  /** Gradient steps taken on the vector. */
  readonly steps: number;
  /** Numbers in the vector (m). */
  readonly vectorSize: number;
  /** Mean nats per token on the sample of the training text before and after. */
  readonly lossBefore: number;
  readonly lossAfter: number;
}

export function explainFitted({ steps, vectorSize, lossBefore, lossAfter }: FittedOutcome): string {
  const before = formatPerplexity(Math.exp(lossBefore));
  const after = formatPerplexity(Math.exp(lossAfter));
  const change = lossAfter < lossBefore ? `lowered perplexity on a sample of your training text from ${before} to ${after}` : `did not lower perplexity on a sample of your training text (${before} before, ${after} after)`;
  return `${steps} gradient steps on the ${vectorSize} numbers of the expert vector alone, with all weights of the pack fixed, ${change}; the model starts from that vector.`;
}

/** For a cluster the user chose in place of a strategy's. */
export function explainOverride(clusters: readonly Cluster[], histogram: readonly number[], chosen: number): string {
  const frequent = mostFrequentCluster(histogram);
  const comparison = chosen === frequent ? 'which is also the most frequent cluster' : `where the most frequent cluster, ${named(clusters[frequent])}, holds ${formatPercent(histogram[frequent])}`;
  return `You chose the expert of cluster ${named(clusters[chosen])} yourself: it holds ${sharesOf(clusters[chosen], histogram)}, ${comparison}.`;
}

function sharesOf({ index, genericShare }: Cluster, histogram: readonly number[]): string {
  return `${formatPercent(histogram[index])} of your text's windows against ${formatPercent(genericShare)} of the generic set`;
}

function joinWords(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
