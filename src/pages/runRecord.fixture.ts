// Records of runs as an engine tells them, for tests of what is made of them.
import { DEFAULT_CHOICES, type MethodName } from '../config/method.ts';
import { DEFAULT_RUN_CONFIG } from '../config/runConfig.ts';
import type { RunRecord, RunTestFigure } from '../config/runRecord.ts';

/** Three test documents of 200 tokens each, easy, middling and hard. */
export function figureOf(perplexity: number): RunTestFigure {
  const documentTokens = [200, 200, 200];
  const documentNats = documentTokens.map((tokens, i) => tokens * (Math.log(perplexity) + 0.01 * (i - 1)));
  const loss = documentNats.reduce((sum, nats) => sum + nats, 0) / 600;
  return {
    loss, perplexity: Math.exp(loss), bitsPerByte: loss / Math.LN2 / 4, interval: [perplexity * 0.8, perplexity * 1.25], intervalSeed: 1, tokens: 600, bytes: 2400, documents: 3,
    weightsHash: 'ab'.repeat(8), documentNats, documentTokens,
  };
}

export function runningRun(method: MethodName, change: Partial<RunRecord> = {}): RunRecord {
  return {
    formatVersion: 1, runId: `id-${method}`, name: method, createdAt: '2026-11-24T00:00:00.000Z', updatedAt: '2026-11-24T00:00:00.000Z', state: 'running',
    method: DEFAULT_CHOICES[method], settings: DEFAULT_RUN_CONFIG, dataFingerprint: 'f', dataLabel: 'a.txt', packName: 'nano', packHash: 'p', adapter: 'test adapter',
    curve: [], samples: [], phases: [], cost: { tokens: 0, flops: 0, seconds: 0, peakGpuBytes: 0 }, notes: {}, ...change,
  };
}

/** Tested at `perplexity` after fine-tuning and twice that before. */
export function finishedRun(method: MethodName, perplexity: number, change: Partial<RunRecord> = {}): RunRecord {
  return runningRun(method, {
    state: 'finished', test: { before: figureOf(2 * perplexity), after: figureOf(perplexity) }, bestWeightsHash: 'cd'.repeat(8),
    curve: [{ step: 0, tokens: 0, seconds: 0, flops: 0, validationLoss: 4 }], cost: { tokens: 51_200, flops: 5e11, seconds: 65, peakGpuBytes: 1e8 }, ...change,
  });
}
