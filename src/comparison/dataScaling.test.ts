// Perplexity over amounts of text: the law is found again where there is one, and nothing is claimed where there is none.
import { describe, expect, it } from 'vitest';
import { DEFAULT_CHOICES } from '../config/method.ts';
import { DEFAULT_RUN_CONFIG } from '../config/runConfig.ts';
import type { RunRecord } from '../config/runRecord.ts';
import { createRandom } from '../core/random.ts';
import { dataScaling, newestStudy } from './dataScaling.ts';

const TOKENS = Array.from({ length: 60 }, (_, i) => 80 + (i % 9) * 30);
const DIFFICULTY = (() => {
  const random = createRandom(5);
  return TOKENS.map(() => 3 + 0.5 * random.normal());
})();

/** A run on `share` of 64,000 tokens whose test loss is the documents' difficulty, `offset` and a little noise of its own. */
function runOn(share: number, offset: number, change: Partial<RunRecord> = {}): RunRecord {
  const random = createRandom(Math.round(share * 1000));
  const documentNats = TOKENS.map((tokens, i) => tokens * (DIFFICULTY[i] + offset + 0.01 * random.normal()));
  const tokens = TOKENS.reduce((sum, count) => sum + count, 0);
  const loss = documentNats.reduce((sum, nats) => sum + nats, 0) / tokens;
  const after = {
    loss, perplexity: Math.exp(loss), bitsPerByte: loss / Math.LN2 / 4, interval: [Math.exp(loss) * 0.9, Math.exp(loss) * 1.1] as const, intervalSeed: 1,
    tokens, bytes: tokens * 4, documents: TOKENS.length, weightsHash: '0'.repeat(16), documentNats, documentTokens: TOKENS,
  };
  return {
    formatVersion: 1, runId: `run-${share}`, name: `${share}`, createdAt: '2026-11-24T00:00:00.000Z', updatedAt: '2026-11-24T00:00:00.000Z', state: 'finished',
    method: DEFAULT_CHOICES['SLM-pn'], settings: DEFAULT_RUN_CONFIG, dataFingerprint: 'f', dataLabel: 'a.txt', packName: 'nano', packHash: 'p', adapter: 'test',
    trainingPart: { share, documents: Math.ceil(share * 300), tokens: share * 64_000 }, curve: [], samples: [], phases: [],
    cost: { tokens: 1, flops: 1, seconds: 1, peakGpuBytes: 1 }, notes: {}, test: { after }, ...change,
  };
}

const SHARES = [1 / 8, 1 / 4, 1 / 2, 1];
/** 0.07 nats less per doubling: the paper's own slope. */
const lawful = SHARES.map((share) => runOn(share, -0.07 * Math.log2(share * 8)));

describe('data scaling', () => {
  it('finds the law again, with the truth inside its interval, to four times the text', () => {
    const { points, extrapolated, conclusion } = dataScaling(lawful);
    expect(points.map(({ tokens }) => tokens)).toEqual([8_000, 16_000, 32_000, 64_000]);
    expect(extrapolated.map(({ tokens }) => tokens)).toEqual([64_000, 128_000, 256_000]);
    for (const [index, { perplexity, interval }] of extrapolated.entries()) {
      const expected = points[3].perplexity * Math.exp(-0.07 * index);
      expect(Math.abs(perplexity / expected - 1)).toBeLessThan(0.01);
      expect(interval[0]).toBeLessThan(perplexity);
      expect(interval[1]).toBeGreaterThan(perplexity);
    }
    expect(conclusion).toMatch(/^Each doubling of the text changed test perplexity by −[67]\.\d%/);
    expect(conclusion).toContain('an extrapolation, not a measurement');
  });

  it('claims nothing where text does not help', () => {
    for (const slope of [0, 0.05]) {
      const { extrapolated, conclusion } = dataScaling(SHARES.map((share) => runOn(share, slope * Math.log2(share * 8))));
      expect(extrapolated).toEqual([]);
      expect(conclusion).toContain('do not show that more text of this kind helps');
    }
  });

  it('claims nothing where points are no line, or fewer than three', () => {
    const bent = SHARES.map((share, i) => runOn(share, [0, -0.4, -0.41, -0.42][i]));
    expect(dataScaling(bent)).toMatchObject({ extrapolated: [], conclusion: expect.stringContaining('not evenly enough') });
    expect(dataScaling(lawful.slice(2))).toMatchObject({ extrapolated: [], conclusion: expect.stringContaining('are needed') });
    expect(dataScaling([])).toMatchObject({ points: [], extrapolated: [] });
  });

  it('has NaN support nothing', () => {
    const broken = runOn(1, NaN);
    expect(dataScaling([...lawful.slice(0, 3), broken]).extrapolated).toEqual([]);
  });

  it('takes the newest study apart from others and from runs that are unlike it', () => {
    const later = { createdAt: '2026-11-25T00:00:00.000Z' };
    const newest = SHARES.map((share) => runOn(share, 0, { ...later, runId: `new-${share}`, method: DEFAULT_CHOICES.SLM }));
    const repeated = runOn(1, 0, { createdAt: '2026-11-24T12:00:00.000Z', runId: 'before', method: DEFAULT_CHOICES.SLM });
    const otherText = runOn(1 / 16, 0, { ...later, runId: 'other', method: DEFAULT_CHOICES.SLM, dataFingerprint: 'g' });
    const study = newestStudy([...lawful, repeated, ...[...newest].reverse(), otherText, runOn(1, 0, { trainingPart: undefined, createdAt: '2026-11-26T00:00:00.000Z' })]);
    expect(study.map(({ runId }) => runId)).toEqual(newest.map(({ runId }) => runId));
    expect(newestStudy([])).toEqual([]);
  });
});
