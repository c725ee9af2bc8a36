import { describe, expect, it } from 'vitest';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats } from '../testing/testGpu.ts';
import { clusterHistogram, nearestCentroid } from './assign.ts';
import {
  effectiveClusters, expertVector, explainBestPretrained, explainFitted, explainMixture, explainMostFrequent, explainOverride, histogramEntropy, lowestLoss, mixtureVector, mostFrequentCluster,
} from './strategy.ts';

const clusters = [
  { index: 0, label: 'law, act', genericShare: 0.5 },
  { index: 1, label: 'said, know', genericShare: 0.36 },
  { index: 2, label: 'Linux, file, kernel', genericShare: 0.14 },
];
const histogram = [0.3, 0.08, 0.62];
const centroids = { data: Float32Array.of(1, 0, 0, 1, -1, 0), k: 3, dimension: 2 };

describe('nearest centroid', () => {
  it('takes the least squared distance, the lowest index on a tie', () => {
    expect(nearestCentroid([0.9, 0.1], centroids)).toBe(0);
    expect(nearestCentroid([-0.2, 0.9], centroids)).toBe(1);
    expect(nearestCentroid([-1, -0.5], centroids)).toBe(2);
    expect(nearestCentroid([0, -1], { data: Float32Array.of(0, 1, 1, 0, -1, 0), k: 3, dimension: 2 })).toBe(1);
  });

  it('places neither zero nor NaN', () => {
    expect(nearestCentroid([0, 0], centroids)).toBe(-1);
    expect(nearestCentroid([NaN, 1], centroids)).toBe(-1);
  });
});

describe('cluster histogram', () => {
  /** Embeds a window by its first token: 0 right, 1 up, 2 left, 3 nowhere. Remembers the windows it saw. */
  const encoder = (seen: number[][] = []) => ({
    seen,
    embed: async (tokens: ArrayLike<number>) => {
      seen.push(Array.from(tokens));
      return [Float32Array.of(1, 0), Float32Array.of(0, 1), Float32Array.of(-1, 0), Float32Array.of(0, 0)][tokens[0]];
    },
  });

  it('cuts each document into windows of its own and counts each once', async () => {
    const spy = encoder();
    const progress: [number, number][] = [];
    const result = await clusterHistogram(spy, centroids, [Uint16Array.of(0, 9, 9, 1, 9), [], [2], [3, 9]], { windowTokens: 3, onProgress: (...args) => void progress.push(args) });
    expect(spy.seen).toEqual([[0, 9, 9], [1, 9], [2], [3, 9]]);
    expect(result).toEqual({ histogram: [1 / 3, 1 / 3, 1 / 3], counts: [1, 1, 1], windows: 3, windowsTotal: 4 });
    expect(progress).toEqual([[1, 4], [2, 4], [3, 4], [4, 4]]);
  });

  it('spreads maxWindows over the whole text', async () => {
    const spy = encoder();
    const documents = Array.from({ length: 10 }, (_, i) => [0, i]);
    const result = await clusterHistogram(spy, centroids, documents, { windowTokens: 8, maxWindows: 3 });
    expect(spy.seen.map(([, i]) => i)).toEqual([0, 3, 6]);
    expect(result).toMatchObject({ windows: 3, windowsTotal: 10 });
  });

  it('fails in a sentence on nothing to place, on an encoder that does not fit, and stops when cancelled', async () => {
    await expect(clusterHistogram(encoder(), centroids, [], { windowTokens: 3 })).rejects.toThrow('No part of the text could be placed');
    await expect(clusterHistogram(encoder(), centroids, [[3]], { windowTokens: 3 })).rejects.toThrow('No part of the text could be placed');
    await expect(clusterHistogram(encoder(), { ...centroids, k: 2, dimension: 3 }, [[0]], { windowTokens: 3 })).rejects.toThrow('embeddings of 2 numbers, but the centroids in clusters.safetensors have 3');
    const controller = new AbortController();
    const counting = clusterHistogram(encoder(), centroids, [[0], [0], [0]], { windowTokens: 3, signal: controller.signal, onProgress: () => controller.abort() });
    await expect(counting).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('vectors', () => {
  const E = randomFloats(12, 7);

  it('mixes rows by the histogram', () => {
    const expected = [0, 1, 2, 3].map((q) => 0.3 * E[q] + 0.08 * E[4 + q] + 0.62 * E[8 + q]);
    expectClose('mixture', mixtureVector(E, histogram), expected, 1e-6);
    expect(mixtureVector(E, [0, 1, 0])).toEqual(expertVector(E, 3, 1));
    expect(() => expertVector(E, 3, 3)).toThrow('cluster 3 is not among 3');
  });

  it('measures spread', () => {
    expect(histogramEntropy([0, 1, 0])).toBe(0);
    expect(histogramEntropy([0.25, 0.25, 0.25, 0.25])).toBeCloseTo(Math.log(4), 12);
    expect(effectiveClusters([0.5, 0.5, 0])).toBeCloseTo(2, 12);
  });

  it('picks', () => {
    expect(mostFrequentCluster(histogram)).toBe(2);
    expect(mostFrequentCluster([0.4, 0.4, 0.2])).toBe(0);
    expect(lowestLoss([NaN, 3, 2.5, 4])).toBe(2);
  });
});

describe('explanations', () => {
  it('are one sentence each, with the figures that decided', () => {
    expect(explainMostFrequent(clusters, histogram)).toBe("Cluster 2 (Linux, file, kernel) holds 62.0% of your text's windows against 14.0% of the generic set, so its expert starts the model.");
    expect(explainBestPretrained(clusters, histogram, [Math.log(20), Math.log(30), Math.log(25)])).toBe('Of all 3 experts, expert 0 (law, act) predicts a sample of your training text best (perplexity 20.00), against 25.00 for the expert of the most frequent cluster, 2 (Linux, file, kernel), so it starts the model.');
    expect(explainBestPretrained(clusters, histogram, [3, 3, 2])).toContain('its cluster is also the most frequent one, with 62.0%');
    expect(explainMixture(clusters, histogram)).toBe('Your text spreads over about 2.4 of 3 clusters, so the model starts from the mean of all expert vectors weighted by their shares of its windows: above all 2 (Linux, file, kernel) with 62.0%, 0 (law, act) with 30.0% and 1 (said, know) with 8.0%.');
    expect(explainFitted({ steps: 60, vectorSize: 16, lossBefore: Math.log(72), lossAfter: Math.log(62.6) })).toContain('from 72.00 to 62.60');
    expect(explainFitted({ steps: 1, vectorSize: 16, lossBefore: 2, lossAfter: NaN })).toContain('did not lower');
    expect(explainOverride(clusters, histogram, 1)).toBe("You chose the expert of cluster 1 (said, know) yourself: it holds 8.0% of your text's windows against 36.0% of the generic set, where the most frequent cluster, 2 (Linux, file, kernel), holds 62.0%.");
  });
});
