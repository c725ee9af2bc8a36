// Which clusters a text belongs to: its documents are cut into windows, each window is embedded once and counted for its nearest centroid
// (squared Euclidean distance, as in k-means at pretraining).
import { UserError } from '../core/invariant.ts';
import type { Centroids } from '../pack/packClusters.ts';
import type { DocumentEncoder } from './documentEncoder.ts';

export interface ClusterHistogram {
  /** Share of the windows per cluster; sums to 1. */
  readonly histogram: readonly number[];
  /** Windows per cluster. */
  readonly counts: readonly number[];
  /** Windows that were counted. */
  readonly windows: number;
  /** Windows of the whole text; more than `windows` where `maxWindows` chose among them. */
  readonly windowsTotal: number;
}

export interface HistogramOptions {
  /** Tokens per window at most. */
  readonly windowTokens: number;
  /** At most so many windows, evenly spaced over the text; absent: all. */
  readonly maxWindows?: number;
  /** Called after every window; a returned promise is awaited, so that a worker can look at its messages. */
  readonly onProgress?: (done: number, total: number) => void | Promise<void>;
  /** Aborting rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Index of the centroid nearest to `embedding` [D], the lowest one on a tie; -1 when the embedding is zero or not finite. */
export function nearestCentroid(embedding: ArrayLike<number>, { data, k, dimension }: Centroids): number {
  let squaredNorm = 0;
  for (let d = 0; d < dimension; d++) squaredNorm += embedding[d] * embedding[d];
  if (!(squaredNorm > 0 && squaredNorm < Infinity)) return -1;
  let nearest = -1;
  let least = Infinity;
  for (let cluster = 0; cluster < k; cluster++) {
    let distance = 0;
    for (let d = 0; d < dimension; d++) {
      const difference = embedding[d] - data[cluster * dimension + d];
      distance += difference * difference;
    }
    if (distance < least) {
      least = distance;
      nearest = cluster;
    }
  }
  return nearest;
}

interface Window {
  readonly document: ArrayLike<number>;
  readonly start: number;
  readonly end: number;
}

/** Each document in windows of at most `windowTokens` tokens, the last one shorter; no window crosses documents. */
function cutWindows(documents: Iterable<ArrayLike<number>>, windowTokens: number): Window[] {
  const windows: Window[] = [];
  for (const document of documents) {
    for (let start = 0; start < document.length; start += windowTokens) windows.push({ document, start, end: Math.min(start + windowTokens, document.length) });
  }
  return windows;
}

/** @throws UserError when no window can be placed (an empty text, or an encoder that does not fit the centroids) */
export async function clusterHistogram(
  encoder: Pick<DocumentEncoder, 'embed'>, centroids: Centroids, documents: Iterable<ArrayLike<number>>,
  { windowTokens, maxWindows = Infinity, onProgress, signal }: HistogramOptions,
): Promise<ClusterHistogram> {
  const all = cutWindows(documents, windowTokens);
  const total = Math.min(all.length, maxWindows);
  const counts = new Array<number>(centroids.k).fill(0);
  let windows = 0;
  for (let i = 0; i < total; i++) {
    signal?.throwIfAborted();
    const { document, start, end } = all[Math.floor((i * all.length) / total)];
    const tokens = Array.from({ length: end - start }, (_, offset) => document[start + offset]);
    const embedding = await encoder.embed(tokens);
    if (embedding.length !== centroids.dimension) {
      throw new UserError(`encoder.onnx gives embeddings of ${embedding.length} numbers, but the centroids in clusters.safetensors have ${centroids.dimension}.`);
    }
    const cluster = nearestCentroid(embedding, centroids);
    if (cluster >= 0) {
      counts[cluster]++;
      windows++;
    }
    await onProgress?.(i + 1, total);
  }
  if (windows === 0) throw new UserError('No part of the text could be placed in a cluster: it is empty, or the pack\'s encoder knows none of its tokens.');
  return { histogram: counts.map((count) => count / windows), counts, windows, windowsTotal: all.length };
}
