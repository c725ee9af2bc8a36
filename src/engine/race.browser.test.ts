// All methods of the paper side by side through the engine's letterbox, in real Chromium, on a tiny pack that has every optional part.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { methodTable } from '../comparison/methodTable.ts';
import { perplexityInterval } from '../comparison/bootstrap.ts';
import { newestStudy } from '../comparison/dataScaling.ts';
import { DEFAULT_DATA_CONFIG } from '../config/dataConfig.ts';
import { DEFAULT_CHOICES, METHOD_NAMES, type MethodName } from '../config/method.ts';
import { DEFAULT_RUN_CONFIG, type RunConfig } from '../config/runConfig.ts';
import type { RunRecord } from '../config/runRecord.ts';
import { createRandom } from '../core/random.ts';
import type { EngineEvent, EventOf } from '../protocol/events.ts';
import { buildFullTinyPack } from '../testing/tinyPackParts.ts';
import { Session } from './session.ts';

const CONFIG: RunConfig = { ...DEFAULT_RUN_CONFIG, steps: 12, batchSize: 2, seqLen: 16, warmupSteps: 2, learningRate: 1e-2, evaluateEvery: 4, evaluationTokens: 256, patience: 0 };
/** 12 steps of 32 tokens. */
const BUDGET = { unit: 'tokens', amount: 384 } as const;
const choiceOf = (method: MethodName) => (method === 'SLM-is' ? { ...DEFAULT_CHOICES[method], start: 'slm' as const } : DEFAULT_CHOICES[method]);

const events: EngineEvent[] = [];
const waiting = new Set<() => void>();
const session = new Session((event) => {
  events.push(event);
  for (const wake of waiting) wake();
});

async function until<T>(find: () => T | undefined): Promise<T> {
  for (;;) {
    const found = find();
    if (found !== undefined) return found;
    const failure = events.find(({ type }) => /^(runs|pack|data|engine)\.failed|device\.(lost|unavailable)/.test(type));
    if (failure) throw new Error(JSON.stringify(failure));
    await new Promise<void>((resolve) => waiting.add(() => resolve()));
  }
}

const latest = (runId: string): RunRecord | undefined =>
  events.filter((event) => event.type === 'run.changed').map(({ run }) => run).filter((run) => run.runId === runId).at(-1);
const ended = (runId: string): Promise<RunRecord> => until(() => {
  const run = latest(runId);
  return run?.state === 'finished' || run?.state === 'failed' ? run : undefined;
});

/** Documents of made-up words: a little grammar, so that there is something to learn. */
function documents(): string[] {
  const random = createRandom(5);
  const words = ['alba', 'bero', 'cinta', 'dolmen', 'esca', 'forla'];
  return Array.from({ length: 30 }, (_, d) => Array.from({ length: 60 + d }, (_, i) => words[(i + random.integer(2)) % words.length]).join(' ') + ` ${d}.`);
}

describe('a race of all methods', () => {
  const runs = new Map<MethodName, RunRecord>();
  beforeAll(async () => {
    session.handle({ type: 'engine.open', request: { engine: 'webgpu' } });
    const encoder = await (await fetch('/packs/nano/encoder.onnx')).blob();
    session.handle({ type: 'pack.load', source: { kind: 'files', files: await buildFullTinyPack({ encoder, embeddingSize: 64 }) } });
    await until(() => events.find(({ type }) => type === 'pack.loaded'));
    const sources = [{ kind: 'text' as const, path: 'words.jsonl', text: documents().map((text) => JSON.stringify({ text })).join('\n') }];
    session.handle({ type: 'data.load', sources, config: DEFAULT_DATA_CONFIG });
    await until(() => events.find(({ type }) => type === 'data.loaded'));
    session.handle({ type: 'runs.start', runs: METHOD_NAMES.map((method) => ({ runId: `race.${method}`, name: method, method: choiceOf(method) })), config: CONFIG, budget: BUDGET });
    for (const method of METHOD_NAMES) runs.set(method, await ended(`race.${method}`));
  });
  afterAll(() => {
    for (const method of METHOD_NAMES) session.handle({ type: 'run.delete', runId: `race.${method}` });
  });

  it.each(METHOD_NAMES)('%s finishes, within its budget, with a better model than it began with', (method) => {
    const run = runs.get(method)!;
    expect(run.error).toBeUndefined();
    expect(run.state).toBe('finished');
    expect(run.phases.map(({ name }) => name)).toEqual({ 'SLM-is': ['pretraining', 'fineTuning'], 'SLM-d': ['teacher', 'fineTuning'] }[method as string] ?? ['fineTuning']);
    const trained = run.phases.reduce((sum, { tokens }) => sum + tokens, 0);
    expect(trained).toBeLessThanOrEqual(BUDGET.amount);
    expect(trained).toBeGreaterThan(BUDGET.amount - 2 * 32);
    expect(run.cost.flops).toBeGreaterThan(0);
    expect(run.cost.peakGpuBytes).toBeGreaterThan(0);
    const { before, after } = run.test!;
    expect(after.perplexity).toBeLessThan(before!.perplexity);
    expect(run.samples).toHaveLength(1);
    expect(run.samples[0].prompt).toBe(runs.get('SLM')!.samples[0].prompt);
    const { parameters } = run.deployed ?? { parameters: undefined };
    if (method !== 'LLM') expect(parameters).toBe(runs.get('SLM')!.deployed?.parameters);
    // A teacher's losses are not on the curve: it begins with the student.
    expect(run.curve[0].step).toBe(method === 'SLM-d' ? run.phases[0].steps : 0);
    expect(run.curve.at(-1)!.step).toBe(run.phases.reduce((sum, { steps }) => sum + steps, 0));
  });

  it('has all curves grow together', () => {
    const steps = events.filter((event) => event.type === 'run.stepped');
    const firstHalf = new Set(steps.slice(0, Math.floor(steps.length / 2)).map(({ runId }) => runId));
    expect(firstHalf.size).toBe(METHOD_NAMES.length);
  });

  it('can be computed again from the stored runs: figures, intervals, table', async () => {
    const from = events.length;
    session.handle({ type: 'runs.list' });
    const listed = await until(() => events.slice(from).find((event) => event.type === 'runs.listed'));
    const stored = METHOD_NAMES.map((method) => (listed as Extract<EngineEvent, { type: 'runs.listed' }>).runs.find(({ runId }) => runId === `race.${method}`)!);
    for (const { test } of stored) {
      const { documentNats, documentTokens, perplexity, interval, intervalSeed } = test!.after;
      const nats = documentNats.reduce((a, b) => a + b);
      const tokens = documentTokens.reduce((a, b) => a + b);
      expect(Math.abs(Math.exp(nats / tokens) / perplexity - 1)).toBeLessThan(1e-9);
      expect(perplexityInterval(documentNats.map((sum, i) => ({ nats: sum, tokens: documentTokens[i] })), intervalSeed)).toEqual(interval);
    }
    expect(methodTable(stored)).toEqual(methodTable([...runs.values()]));
    expect(methodTable(stored).rows).toHaveLength(METHOD_NAMES.length);
  });

  it('repeats: the same run again gives the same curve', async () => {
    session.handle({ type: 'runs.start', runs: [{ runId: 'again', name: 'again', method: choiceOf('SLM-pn') }], config: CONFIG, budget: BUDGET });
    const again = await ended('again');
    const losses = (run: RunRecord): unknown => run.curve.map(({ step, trainLoss, validationLoss }) => ({ step, trainLoss, validationLoss }));
    expect(losses(again)).toEqual(losses(runs.get('SLM-pn')!));
    expect(again.bestWeightsHash).toBe(runs.get('SLM-pn')!.bestWeightsHash);
  });

  it('goes out as a file and comes back with the same curve and figures', async () => {
    session.handle({ type: 'run.export', runId: 'again' });
    const exported = await until(() => events.find((event) => event.type === 'run.exported'));
    session.handle({ type: 'run.delete', runId: 'again' });
    await until(() => events.find((event) => event.type === 'run.deleted'));
    const before = latest('again');
    const from = events.length;
    session.handle({ type: 'run.import', file: (exported as Extract<EngineEvent, { type: 'run.exported' }>).file, fileName: 'again.run.zip' });
    const imported = await until(() => events.slice(from).find((event) => event.type === 'run.changed'));
    expect((imported as Extract<EngineEvent, { type: 'run.changed' }>).run).toEqual(before);
    session.handle({ type: 'run.delete', runId: 'again' });
  });

  it.each(['SLM-is', 'SLM-d'] as const)('leaves %s time for fine-tuning when the budget is minutes', async (method) => {
    const runId = `timed.${method}`;
    session.handle({ type: 'runs.start', runs: [{ runId, name: method, method: choiceOf(method) }], config: CONFIG, budget: { unit: 'minutes', amount: 0.03 } });
    const run = await ended(runId);
    expect(run.state).toBe('finished');
    expect(run.phases).toHaveLength(2);
    for (const { steps } of run.phases) expect(steps).toBeGreaterThan(0);
    if (method === 'SLM-is') expect(run.notes.repeats!.reduce((sum, windows, times) => sum + windows * times, 0)).toBe(run.phases[0].steps * CONFIG.batchSize);
    session.handle({ type: 'run.delete', runId });
  });

  it('trains on nested parts of the text, tested on the same documents', async () => {
    const shares = [0.25, 0.5, 1];
    session.handle({ type: 'runs.start', runs: shares.map((trainingShare) => ({ runId: `part.${trainingShare}`, name: `${trainingShare}`, method: choiceOf('SLM-pn'), trainingShare })), config: CONFIG });
    const parts: RunRecord[] = [];
    for (const share of shares) parts.push(await ended(`part.${share}`));
    const race = runs.get('SLM-pn')!;
    const whole = (events.find((event) => event.type === 'data.loaded') as EventOf<'data.loaded'>).data.splits.train;
    expect(parts[2].trainingPart).toEqual({ share: 1, documents: whole.documents, tokens: whole.tokens });
    for (const { state, test, trainingPart } of parts) {
      expect(state).toBe('finished');
      expect(test!.after.documentTokens).toEqual(race.test!.after.documentTokens);
      expect(Math.abs(trainingPart!.tokens / whole.tokens - trainingPart!.share)).toBeLessThan(0.1);
    }
    // With all of the text it is the race's own run, to the bit.
    expect(parts[2].bestWeightsHash).toBe(race.bestWeightsHash);
    expect(newestStudy(parts).map(({ runId }) => runId)).toEqual(['part.0.25', 'part.0.5', 'part.1']);
    for (const { runId } of parts) session.handle({ type: 'run.delete', runId });
  });

  it('stops early when asked, and keeps the best weights so far', async () => {
    session.handle({ type: 'runs.start', runs: [{ runId: 'stopped', name: 'stopped', method: { method: 'SLM' } }], config: { ...CONFIG, steps: 100_000 } });
    await until(() => events.find((event) => event.type === 'run.stepped' && event.runId === 'stopped' && event.step >= 6));
    session.handle({ type: 'runs.stop', runIds: ['stopped'] });
    const run = await ended('stopped');
    expect(run.state).toBe('finished');
    expect(run.phases[0].steps).toBeLessThan(100_000);
    expect(run.test!.after.perplexity).toBeLessThan(run.test!.before!.perplexity);
    session.handle({ type: 'run.delete', runId: 'stopped' });
  });
});
