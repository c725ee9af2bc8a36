// The engine behind its letterbox, in real Chromium on the bundled pack and sample: commands in, events out, nothing simulated.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_DATA_CONFIG } from '../config/dataConfig.ts';
import { DEFAULT_RUN_CONFIG, type RunConfig } from '../config/runConfig.ts';
import type { EngineCommand } from '../protocol/commands.ts';
import type { EngineEvent, EventOf, PackSummary } from '../protocol/events.ts';
import { Session } from './session.ts';

const events: EngineEvent[] = [];
const waiting = new Set<() => void>();
const session = new Session((event) => {
  events.push(event);
  for (const wake of waiting) wake();
});

/** The first event of `type` from `from` on; fails on any failure event that comes first. */
async function eventOf<T extends EngineEvent['type']>(type: T, from: number): Promise<EventOf<T>> {
  for (let index = from; ; index++) {
    while (index >= events.length) await new Promise<void>((resolve) => waiting.add(() => resolve()));
    const event = events[index];
    if (event.type === type) return event as EventOf<T>;
    if (/failed|unavailable|lost/i.test(event.type)) throw new Error(`${event.type}: ${JSON.stringify(event)}`);
  }
}

function sendFor<T extends EngineEvent['type']>(command: EngineCommand, type: T): Promise<EventOf<T>> {
  const from = events.length;
  session.handle(command);
  return eventOf(type, from);
}

/** Every device the engine opened: a lost device is made by destroying the last one from outside. */
const devices: GPUDevice[] = [];
/** Labels of all shaders that were compiled. */
const compiled: string[] = [];
const requestDevice = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (descriptor) {
  const device = await requestDevice.call(this, descriptor);
  devices.push(device);
  const compile = device.createComputePipelineAsync.bind(device);
  device.createComputePipelineAsync = (pipeline) => {
    compiled.push(pipeline.label!);
    return compile(pipeline);
  };
  return device;
};

const absolute = (path: string): string => new URL(path, location.origin).href;
const CONFIG: RunConfig = { ...DEFAULT_RUN_CONFIG, steps: 4, batchSize: 2, seqLen: 64, warmupSteps: 2, evaluateEvery: 2, evaluationTokens: 512, patience: 0 };

describe('a session from pack to model', () => {
  let pack: PackSummary;
  beforeAll(async () => {
    await sendFor({ type: 'engine.open', request: { engine: 'webgpu' } }, 'device.ready');
    ({ pack } = await sendFor({ type: 'pack.load', source: { kind: 'url', url: absolute('/packs/nano/') } }, 'pack.loaded'));
  });
  afterAll(() => session.handle({ type: 'pack.clearCache' }));

  it('refuses what comes too early with one sentence', async () => {
    const { message } = await sendFor({ type: 'train.start', runId: 'early', config: CONFIG }, 'train.failed').catch((error: Error) => ({ message: error.message }));
    expect(message).toMatch(/Load some text first/);
  });

  it('reads the sample, finds its clusters and projects with every strategy', async () => {
    const { data } = await sendFor({ type: 'data.load', config: DEFAULT_DATA_CONFIG, sources: [{ kind: 'url', path: 'tide-mill.jsonl', url: absolute('/samples/tide-mill.jsonl') }] }, 'data.loaded');
    expect(data.documents).toBe(48);
    expect(data.splits.train.documents + data.splits.validation.documents + data.splits.test.documents).toBe(48);
    const { histogram } = await sendFor({ type: 'expert.analyze' }, 'expert.analyzed');
    expect(histogram.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    for (const strategy of ['mixture', 'fitted', 'mostFrequent'] as const) {
      const from = events.length;
      session.handle({ type: 'expert.project', choice: { strategy, fittedSteps: 2 } });
      const chosen = await eventOf('expert.chosen', from);
      expect(chosen.explanation).toMatch(/^.{40,}\.$/);
      const { projected, slm, weightsHash } = await eventOf('model.projected', from);
      expect(projected.perplexity).toBeGreaterThan(1);
      expect(projected.perplexity).toBeLessThan(1000);
      expect(slm.perplexity).toBeLessThan(1000);
      expect(weightsHash).toMatch(/^[0-9a-f]{16}$/);
    }
  });

  it('compiles a run that was estimated ahead of it, so that starting it compiles nothing', async () => {
    const before = compiled.length;
    const { seconds } = await sendFor({ type: 'memory.estimate', of: 'run', config: CONFIG }, 'kernels.prepared');
    expect(seconds).toBeGreaterThan(0);
    expect(compiled.slice(before)).toEqual(expect.arrayContaining(['adamw', 'embedding.backward']));
  });

  it('trains, pauses, steps, resumes and tests; the loss falls and every row has its own hash', async () => {
    const from = events.length;
    const compiledBefore = compiled.length;
    session.handle({ type: 'train.start', runId: 'run', config: CONFIG, paused: true });
    await eventOf('train.started', from);
    await sendFor({ type: 'train.step', runId: 'run' }, 'train.stepped');
    expect(compiled.slice(compiledBefore)).toEqual([]);
    await sendFor({ type: 'train.resume', runId: 'run' }, 'train.stepped');
    const finished = await eventOf('train.finished', from);
    expect(finished.reason).toBe('steps');
    expect(finished.step).toBe(4);
    const { figures } = await eventOf('test.evaluated', from);
    expect(figures.map(({ model }) => model)).toEqual(['slm', 'projected', 'fineTuned']);
    expect(new Set(figures.map(({ weightsHash }) => weightsHash)).size).toBe(3);
    expect(figures[2].perplexity).toBeLessThan(figures[1].perplexity);
    for (const { interval, perplexity } of figures) expect(interval[0] <= perplexity && perplexity <= interval[1]).toBe(true);
  });

  it('keeps the run in this browser: start, curve, cost and the very figures that were shown', async () => {
    const { runs } = await sendFor({ type: 'runs.list' }, 'runs.listed');
    const kept = runs.find(({ runId }) => runId === 'run')!;
    const { figures } = events.find((event) => event.type === 'test.evaluated')!;
    expect(kept).toMatchObject({ state: 'finished', method: { method: 'SLM-pn', strategy: 'mostFrequent' }, settings: CONFIG });
    expect(kept.test?.before?.perplexity).toBe(figures[1].perplexity);
    expect(kept.test?.after.perplexity).toBe(figures[2].perplexity);
    expect(kept.bestWeightsHash).toBe(figures[2].weightsHash);
    expect(kept.curve.map(({ step }) => step)).toEqual([0, 2, 4]);
    expect(kept.phases).toMatchObject([{ name: 'fineTuning', steps: 4, tokens: 4 * 2 * 64 }]);
    expect(kept.notes.expert?.cluster).toBeTypeOf('number');
    expect(kept.notes.vector).toHaveLength(pack.projectedNetwork.m);
  });

  it('completes a prompt with both models, the same way twice', async () => {
    const sample = async (sampleId: string): Promise<Record<string, string>> => {
      const from = events.length;
      session.handle({ type: 'sample.start', sampleId, config: { prompt: 'The tide', maxTokens: 8, temperature: 0.8, topP: 0.9, seed: 3 } });
      const finished = new Set<string>();
      for (let at = from; finished.size < 2; at++) {
        const event = await eventOf('sample.finished', at);
        at = events.indexOf(event);
        finished.add(event.model);
      }
      const texts: Record<string, string> = {};
      for (const event of events.slice(from)) if (event.type === 'sample.text') texts[event.model] = (texts[event.model] ?? '') + event.text;
      return texts;
    };
    const first = await sample('a');
    expect(Object.keys(first).sort()).toEqual(['fineTuned', 'projected']);
    expect(await sample('b')).toEqual(first);
  });

  it('exports a zip', async () => {
    const { file, fileName } = await sendFor({ type: 'model.export', runId: 'run' }, 'model.exported');
    expect(fileName).toMatch(/\.zip$/);
    expect(file.size).toBeGreaterThan(pack.parametersAfter * 4);
  });

  it('keeps the best weights when the device is lost, says so, and opens another', async () => {
    const from = events.length;
    session.handle({ type: 'train.start', runId: 'doomed', config: { ...CONFIG, steps: 1000 } });
    await eventOf('train.evaluated', from);
    devices[devices.length - 1].destroy();
    const seen = (type: EngineEvent['type']): EngineEvent | undefined => events.slice(from).find((event) => event.type === type);
    while (!seen('device.lost') || !seen('train.failed')) await new Promise<void>((resolve) => waiting.add(() => resolve()));
    expect(seen('train.failed')).toMatchObject({ message: expect.stringMatching(/device was lost while training\. The best weights, of step \d+, are kept\./) });
    await sendFor({ type: 'engine.open', request: { engine: 'webgpu' } }, 'device.ready');
    await sendFor({ type: 'model.export', runId: 'doomed' }, 'model.exported');
    await sendFor({ type: 'expert.project', choice: { strategy: 'mostFrequent' } }, 'model.projected');
  });
});
