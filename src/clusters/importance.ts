// Importance sampling (SLM-is; Grangier et al., arXiv 2402.01093): generic text is resampled so that its cluster histogram becomes the domain's. With c the
// cluster of a window and P(x | c, domain) = P(x | c) assumed, a generic window weighs w(c) = P(c | domain) / P(c | generic).
import { formatPercent } from '../core/format.ts';
import { invariant, UserError } from '../core/invariant.ts';
import type { PackCluster } from '../pack/packClusters.ts';

/** All arrays are over the clusters, [k]. */
export interface ImportancePlan {
  /** P(c | domain): shares of the domain's windows; sums to 1. */
  readonly domain: readonly number[];
  /** P(c | generic): shares of the generic set's tokens; sums to 1. */
  readonly generic: readonly number[];
  /** w(c): how many times more often than in the generic set a window of this cluster is drawn, before what is missing was redistributed; 0 where either share is 0. */
  readonly weights: readonly number[];
  /** Shares to draw by: w(c) P(c | generic) over the clusters that have windows, made to sum to 1. 0 where there is nothing to draw. */
  readonly resampled: readonly number[];
  /** Share of the domain's windows in clusters that have nothing to draw, in [0, 1); the others took it over in proportion to their own. */
  readonly missingShare: number;
  /** One sentence for the page when something is missing. */
  readonly warning?: string;
}

/**
 * The clusters are those of the pack's k experts (16 in the nano pack): the reservoir is grouped by them, and the finer centroids on which the paper resamples (its k
 * is 1,024 here, 32 for the experts) are not part of a pack. So resampling is coarser than the paper's, but its frequencies are less noisy and windows repeat less.
 *
 * The reservoir holds about as many tokens of every cluster, whatever the cluster's share of the generic set. Within a cluster it is an even sample, so drawing a
 * cluster by `resampled` and then any of its windows gives the same distribution as weighting all generic text by w.
 * @param clusters of the pack, in order
 * @param histogram the domain's windows per cluster as shares [k] (clusters/assign.ts)
 * @param numWindows windows that can be drawn per cluster [k] (data/reservoirWindows.ts)
 * @throws UserError when the reservoir has nothing in any cluster of the domain
 */
export function planImportanceSampling(clusters: readonly PackCluster[], histogram: readonly number[], numWindows: readonly number[]): ImportancePlan {
  const k = clusters.length;
  invariant(histogram.length === k && numWindows.length === k, `histogram and windows cover all ${k} clusters`);
  invariant(histogram.every((share) => share >= 0) && Math.abs(sum(histogram) - 1) <= 1e-6, 'a histogram holds shares that sum to 1');
  const generic = clusters.map(({ genericShare }) => genericShare);
  const weights = histogram.map((share, c) => (share > 0 && generic[c] > 0 ? share / generic[c] : 0));
  const drawable = weights.map((weight, c) => (numWindows[c] > 0 ? weight * generic[c] : 0));
  const total = sum(drawable);
  const missing = clusters.filter(({ index }) => histogram[index] > 0 && !(drawable[index] > 0));
  if (!(total > 0)) throw new UserError(`Generic text cannot be resampled to look like yours: the pack's reservoir has no window of ${named(missing)}, where all of your text lies.`);
  // Not 1 - total, which rounding may leave above 0 where nothing is missing.
  const missingShare = sum(missing.map(({ index }) => histogram[index]));
  return { domain: [...histogram], generic, weights, resampled: drawable.map((share) => share / total), missingShare, warning: missing.length > 0 ? explainMissing(missing, missingShare) : undefined };
}

function explainMissing(missing: readonly PackCluster[], share: number): string {
  return `The pack's reservoir has no window of ${named(missing)}, where ${formatPercent(share)} of your text's windows lie: that share was given to your other clusters in proportion to theirs.`;
}

const NAMED_AT_MOST = 3;

/** E.g. "cluster 3 (driver, device)" or "clusters 3 (driver, device), 5 (poem, verse) and 4 more". */
function named(clusters: readonly PackCluster[]): string {
  const shown = clusters.slice(0, NAMED_AT_MOST).map(({ index, label }) => `${index} (${label})`);
  const words = clusters.length > NAMED_AT_MOST ? [...shown, `${clusters.length - NAMED_AT_MOST} more`] : shown;
  const list = words.length > 1 ? `${words.slice(0, -1).join(', ')} and ${words.at(-1)}` : words.join('');
  return `${clusters.length === 1 ? 'cluster' : 'clusters'} ${list}`;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
