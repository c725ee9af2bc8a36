import { describe, expect, it } from 'vitest';
import { UserError } from '../core/invariant.ts';
import type { PackCluster } from '../pack/packClusters.ts';
import { planImportanceSampling } from './importance.ts';

const clustersOf = (shares: readonly number[]): PackCluster[] =>
  shares.map((genericShare, index) => ({ index, label: `label ${index}`, topTerms: [], genericShare, genericTokens: Math.round(genericShare * 1e6) }));
const clusters = clustersOf([0.5, 0.3, 0.1, 0.1]);
const plenty = [100, 100, 100, 100];

describe('planImportanceSampling', () => {
  it('weighs a cluster by its share of the domain over its share of the generic set', () => {
    const { domain, generic, weights, resampled, missingShare, warning } = planImportanceSampling(clusters, [0.25, 0, 0.6, 0.15], plenty);
    expect(domain).toEqual([0.25, 0, 0.6, 0.15]);
    expect(generic).toEqual([0.5, 0.3, 0.1, 0.1]);
    [0.5, 0, 6, 1.5].forEach((weight, c) => expect(weights[c]).toBeCloseTo(weight, 12));
    [0.25, 0, 0.6, 0.15].forEach((share, c) => expect(resampled[c]).toBeCloseTo(share, 12));
    expect(missingShare).toBe(0);
    expect(warning).toBeUndefined();
  });

  it('leaves a domain that is like the generic set as it is', () => {
    const { weights, resampled } = planImportanceSampling(clusters, [0.5, 0.3, 0.1, 0.1], [1, 1, 1, 1]);
    expect(weights).toEqual([1, 1, 1, 1]);
    [0.5, 0.3, 0.1, 0.1].forEach((share, c) => expect(resampled[c]).toBeCloseTo(share, 12));
  });

  it('turns the generic histogram into the resampled one when generic windows are kept by weight', () => {
    const { generic, weights, resampled } = planImportanceSampling(clusters, [0.05, 0.55, 0.1, 0.3], plenty);
    const kept = generic.map((share, c) => share * weights[c]);
    const total = kept.reduce((a, b) => a + b);
    kept.forEach((share, c) => expect(share / total).toBeCloseTo(resampled[c], 12));
  });

  it('gives the share of clusters without windows to the others in proportion, and says so', () => {
    const { weights, resampled, missingShare, warning } = planImportanceSampling(clusters, [0.2, 0.3, 0.4, 0.1], [5, 5, 0, 5]);
    [0.2 / 0.6, 0.3 / 0.6, 0, 0.1 / 0.6].forEach((share, c) => expect(resampled[c]).toBeCloseTo(share, 12));
    expect(weights[2]).toBeCloseTo(4, 12);
    expect(missingShare).toBeCloseTo(0.4, 12);
    expect(warning).toBe("The pack's reservoir has no window of cluster 2 (label 2), where 40.0% of your text's windows lie: that share was given to your other clusters in proportion to theirs.");
  });

  it('does not speak of clusters without windows that the domain lacks too', () => {
    const { warning, missingShare } = planImportanceSampling(clusters, [0.7, 0.3, 0, 0], [5, 5, 0, 0]);
    expect(warning).toBeUndefined();
    expect(missingShare).toBe(0);
  });

  it('treats a cluster that the generic set lacks as one without windows', () => {
    const { weights, resampled, warning } = planImportanceSampling(clustersOf([0.5, 0.5, 0]), [0.5, 0.25, 0.25], [9, 9, 9]);
    expect(weights).toEqual([1, 0.5, 0]);
    [2 / 3, 1 / 3, 0].forEach((share, c) => expect(resampled[c]).toBeCloseTo(share, 12));
    expect(warning).toContain('cluster 2 (label 2), where 25.0%');
  });

  it('names three missing clusters and counts the rest', () => {
    const many = clustersOf(new Array<number>(8).fill(1 / 8));
    const { warning } = planImportanceSampling(many, many.map(() => 1 / 8), [0, 0, 0, 0, 0, 1, 1, 1]);
    expect(warning).toContain('no window of clusters 0 (label 0), 1 (label 1), 2 (label 2) and 2 more, where 62.5% of');
  });

  it('fails with a sentence when nothing of the domain can be drawn', () => {
    const plan = (): unknown => planImportanceSampling(clusters, [0, 0.5, 0.5, 0], [9, 0, 0, 9]);
    expect(plan).toThrow(UserError);
    expect(plan).toThrow("Generic text cannot be resampled to look like yours: the pack's reservoir has no window of clusters 1 (label 1) and 2 (label 2), where all of your text lies.");
  });

  it('refuses a histogram that is none', () => {
    for (const histogram of [[0.5, 0.5], [0.5, 0.5, 0.5, -0.5], [NaN, 0.5, 0.5, 0], [0, 0, 0, 0], [1, 1, 0, 0]]) {
      expect(() => planImportanceSampling(clusters, histogram, plenty)).toThrow('Invariant');
    }
  });
});
