import { describe, expect, it } from 'vitest';
import { DEFAULT_CHOICES, type MethodName } from '../config/method.ts';
import { DEFAULT_RUN_CONFIG } from '../config/runConfig.ts';
import type { RunRecord, RunTestFigure } from '../config/runRecord.ts';
import { createRandom } from '../core/random.ts';
import { methodTable } from './methodTable.ts';

const TOKENS = Array.from({ length: 40 }, (_, i) => 50 + (i % 7) * 20);
const DIFFICULTY = (() => {
  const random = createRandom(11);
  return TOKENS.map(() => 3 + 0.6 * random.normal());
})();

/** A model whose loss is `offset` above the documents' difficulty, with its own noise per document. */
function figureOf(offset: number, seed: number, documentTokens: readonly number[] = TOKENS): RunTestFigure {
  const random = createRandom(seed);
  const documentNats = documentTokens.map((tokens, i) => tokens * (DIFFICULTY[i] + offset + 0.02 * random.normal()));
  const tokens = documentTokens.reduce((sum, count) => sum + count, 0);
  const loss = documentNats.reduce((sum, nats) => sum + nats, 0) / tokens;
  return { loss, perplexity: Math.exp(loss), bitsPerByte: loss / Math.LN2 / 3, interval: [1, 2], intervalSeed: 1, tokens, bytes: tokens * 3, documents: documentTokens.length, weightsHash: '0'.repeat(16), documentNats, documentTokens };
}

function runOf(method: MethodName, after: RunTestFigure | undefined, name: string = method): RunRecord {
  return {
    formatVersion: 1, runId: `run-${name}`, name, createdAt: '2026-11-24T00:00:00.000Z', updatedAt: '2026-11-24T00:00:00.000Z', state: 'finished',
    method: DEFAULT_CHOICES[method], settings: DEFAULT_RUN_CONFIG, dataFingerprint: 'f', dataLabel: 'a.txt', packName: 'nano', packHash: 'p', adapter: 'test',
    startingWeightsHash: '1'.repeat(16), curve: [], samples: [], phases: [], cost: { tokens: 1000, flops: 1e9, seconds: 2, peakGpuBytes: 10 }, notes: {},
    ...(after ? { test: { before: figureOf(1, 99), after } } : {}),
  };
}

describe('methodTable', () => {
  it('puts methods in the paper\'s order, compares with SLM and leaves untested runs out', () => {
    const table = methodTable([runOf('LLM', figureOf(-0.3, 1)), runOf('SLM-pn', figureOf(-0.1, 2)), runOf('SLM', figureOf(0, 3)), runOf('SLM-nopt', undefined)]);
    expect(table.rows.map(({ method }) => method)).toEqual(['SLM', 'SLM-pn', 'LLM']);
    expect(table.baseline).toBe('run-SLM');
    expect(table.rows[0].ratio).toBeUndefined();
    expect(table.rows[1].ratio).toBeCloseTo(Math.exp(-0.1), 1);
    const [low, high] = table.rows[1].ratioInterval!;
    expect(low).toBeLessThan(table.rows[1].ratio!);
    expect(high).toBeGreaterThan(table.rows[1].ratio!);
  });

  it('tells size and speed of the model that is left, where they were measured', () => {
    const measured = { ...runOf('SLM', figureOf(0, 1)), deployed: { parameters: 1000, tokensPerSecond: 42, measuredTokens: 40 } };
    const { rows } = methodTable([measured, runOf('SLM-pn', figureOf(0, 2))]);
    expect(rows[0]).toMatchObject({ parameters: 1000, tokensPerSecond: 42 });
    expect(rows[1].tokensPerSecond).toBeUndefined();
  });

  it('recommends the best deployable method when the documents support it, never the large model', () => {
    const { conclusion } = methodTable([runOf('SLM', figureOf(0, 1)), runOf('SLM-pn', figureOf(-0.1, 2)), runOf('LLM', figureOf(-0.5, 3))]);
    expect(conclusion).toMatch(/^On your test documents SLM-pn is the best start/);
    expect(conclusion).not.toContain('LLM');
  });

  it('says so when the documents do not tell two methods apart, and who is behind', () => {
    const { conclusion } = methodTable([runOf('SLM', figureOf(0, 1)), runOf('SLM-pn', figureOf(0.0005, 2)), runOf('SLM-nopt', figureOf(1, 3))]);
    expect(conclusion).toMatch(/do not tell SLM and SLM-pn apart|do not tell SLM-pn and SLM apart/);
    expect(conclusion).toContain('SLM-nopt is behind');
  });

  it('takes no side on one document, one method or different documents', () => {
    expect(methodTable([runOf('SLM', figureOf(0, 1))]).conclusion).toContain('run a second one');
    expect(methodTable([]).conclusion).toContain('No run has test figures');
    expect(methodTable([runOf('SLM', figureOf(0, 1, [70])), runOf('SLM-pn', figureOf(-0.4, 2, [70]))]).conclusion).toContain('too few');
    const other = methodTable([runOf('SLM', figureOf(0, 1)), runOf('SLM-pn', figureOf(-0.4, 2, TOKENS.slice(1)))]);
    expect(other.conclusion).toContain('different documents');
    expect(other.rows[1].ratio).toBeUndefined();
  });

  it('has NaN win nothing', () => {
    const broken = { ...figureOf(0, 2), perplexity: NaN, documentNats: TOKENS.map(() => NaN) };
    expect(methodTable([runOf('SLM', figureOf(0, 1)), runOf('SLM-pn', broken)]).conclusion).not.toMatch(/best start/);
  });

  it('corrects for the number of methods', () => {
    // Twelve copies of a method differ by chance alone: none may be called best.
    const runs = Array.from({ length: 12 }, (_, i) => runOf('SLM-pn', figureOf(0, 20 + i), `copy ${i}`));
    expect(methodTable(runs).conclusion).toContain('do not tell');
  });
});
