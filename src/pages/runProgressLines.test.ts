import { expect, it } from 'vitest';
import type { EngineEvent } from '../protocol/events.ts';
import { createRunProgressLines } from './runProgressLines.ts';
import { finishedRun, runningRun } from './runRecord.fixture.ts';

const stepped = (runId: string, step: number): EngineEvent => ({
  type: 'run.stepped', runId, step, loss: Math.log(80), learningRate: 1e-3, tokensPerSecond: 1234, cost: { tokens: 512 * step, flops: 1, seconds: step, peakGpuBytes: 1 }, gpuBytes: 1,
});

it('thins the steps of each run by time, not those of all together', () => {
  let now = 0;
  const line = createRunProgressLines(() => now);
  for (const method of ['SLM', 'SLM-pn'] as const) expect(line({ type: 'run.changed', run: runningRun(method, { budget: { unit: 'tokens', amount: 5120 } }) })).toBeUndefined();
  expect(line(stepped('id-SLM', 1))).toBe('SLM: step 1 (10.0% of its budget), training perplexity 80.00, 1,234 tokens/s');
  expect(line(stepped('id-SLM-pn', 2))).toBe('SLM-pn: step 2 (20.0% of its budget), training perplexity 80.00, 1,234 tokens/s');
  now = 9_999;
  expect(line(stepped('id-SLM', 2))).toBeUndefined();
  now = 10_000;
  expect(line({ type: 'run.changed', run: runningRun('SLM', { curve: [{ step: 2, tokens: 1, seconds: 1, flops: 1, validationLoss: Math.log(90) }] }) })).toBeUndefined();
  expect(line(stepped('id-SLM', 3))).toBe('SLM: step 3, training perplexity 80.00, validation perplexity 90.00, 1,234 tokens/s');
});

it('shows how a run ended once, and what could not be stored', () => {
  const line = createRunProgressLines(() => 0);
  line({ type: 'run.changed', run: runningRun('SLM') });
  expect(line({ type: 'run.progress', runId: 'id-SLM', stage: 'Embedding your text', done: 1, total: 12 })).toBe('SLM: Embedding your text 1 of 12');
  expect(line({ type: 'run.progress', runId: 'id-SLM', stage: 'Embedding your text', done: 2, total: 12 })).toBeUndefined();
  expect(line({ type: 'runs.failed', runId: 'id-SLM', message: 'No room.' })).toBe('SLM: No room.');
  expect(line({ type: 'run.changed', run: finishedRun('SLM', 50) })).toBe('SLM: finished after 1 min 5 s, test perplexity 100.0 before and 50.00 after fine-tuning');
  expect(line({ type: 'run.changed', run: finishedRun('SLM', 50) })).toBeUndefined();
  expect(line({ type: 'run.changed', run: runningRun('LLM', { state: 'failed', error: 'The loss is not finite.' }) })).toBe('LLM failed: The loss is not finite.');
  expect(line({ type: 'data.cancelled' })).toBeUndefined();
});
