// Runs on a GPU with too little memory, through the engine's letterbox in real Chromium: refused with an offer, trained under the offer to the same losses, and
// failed with what they had where memory runs out on the way. And the estimate is what a race really takes.
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_DATA_CONFIG } from '../config/dataConfig.ts';
import { DEFAULT_CHOICES, METHOD_NAMES, type MethodChoice, type MethodName } from '../config/method.ts';
import { DEFAULT_RUN_CONFIG, type RunConfig } from '../config/runConfig.ts';
import type { RunRecord } from '../config/runRecord.ts';
import type { EngineCommand } from '../protocol/commands.ts';
import type { EngineEvent, EngineEventType, EventOf, MemoryOffer } from '../protocol/events.ts';
import { limitMemory, type LimitedMemory } from '../testing/limitedMemory.ts';
import { buildFullTinyPack } from '../testing/tinyPackParts.ts';
import { Session } from './session.ts';

const CONFIG: RunConfig = { ...DEFAULT_RUN_CONFIG, steps: 6, batchSize: 4, seqLen: 32, warmupSteps: 2, learningRate: 1e-2, evaluateEvery: 2, evaluationTokens: 256, patience: 0 };

/** The memory of the device that the engine opens. */
let memory: LimitedMemory;
const requestDevice = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (descriptor) {
  const device = await requestDevice.call(this, descriptor);
  memory = limitMemory(device);
  return device;
};

const events: EngineEvent[] = [];
const waiting = new Set<() => void>();
const session = new Session((event) => {
  events.push(event);
  for (const wake of waiting) wake();
});

/** Sends a command and gives what `find` finds among the events that follow. */
async function answer<T>(command: EngineCommand, find: (event: EngineEvent) => T | undefined | false): Promise<T> {
  let next = events.length;
  session.handle(command);
  for (;;) {
    for (; next < events.length; next++) {
      const found = find(events[next]);
      if (found !== undefined && found !== false) return found;
    }
    await new Promise<void>((resolve) => waiting.add(() => resolve()));
  }
}

const ofType = <T extends EngineEventType>(type: T) => (event: EngineEvent): EventOf<T> | undefined => (event.type === type ? (event as EventOf<T>) : undefined);
const estimateOf = async (config: RunConfig, ...methods: MethodChoice[]): Promise<number> =>
  (await answer(methods.length === 0 ? { type: 'memory.estimate', of: 'run', config } : { type: 'memory.estimate', of: 'race', config, methods }, ofType('memory.estimated'))).bytes!;

const entry = (runId: string, method: MethodChoice) => ({ runId, name: runId, method });
const endOf = (runId: string) => (event: EngineEvent): RunRecord | undefined => (event.type === 'run.changed' && event.run.runId === runId && /finished|failed/.test(event.run.state) ? event.run : undefined);
const race = (runId: string, method: MethodChoice, config = CONFIG): Promise<RunRecord> => answer({ type: 'runs.start', runs: [entry(runId, method)], config }, endOf(runId));
const idle = async (runIds: readonly string[]): Promise<void> => {
  for (const runId of runIds) await answer({ type: 'run.delete', runId }, ofType('run.deleted'));
};

/** Losses and gradient norms of a run of step 4, from its start to its test. */
async function train(runId: string, config: RunConfig): Promise<{ steps: EventOf<'train.stepped'>[]; validations: number[] }> {
  const from = events.length;
  await answer({ type: 'train.start', runId, config }, (event) => {
    if (event.type === 'train.failed') throw new Error(event.message);
    return ofType('test.evaluated')(event);
  });
  const seen = events.slice(from);
  return {
    steps: seen.filter((event) => event.type === 'train.stepped'),
    validations: seen.filter((event) => event.type === 'train.evaluated').map(({ validation }) => validation.loss),
  };
}

/** Same losses within float error: kernels may add in another order. NaN fails. */
function expectSameLosses(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [index, loss] of actual.entries()) expect(Math.abs(loss / expected[index] - 1)).toBeLessThan(1e-4);
}

beforeAll(async () => {
  await answer({ type: 'engine.open', request: { engine: 'webgpu' } }, ofType('device.ready'));
  const encoder = await (await fetch('/packs/nano/encoder.onnx')).blob();
  // Wide enough that activations outweigh the weights: then gentler settings make a difference.
  await answer({ type: 'pack.load', source: { kind: 'files', files: await buildFullTinyPack({ encoder, embeddingSize: 64, numHiddenLayers: 4 }) } }, ofType('pack.loaded'));
  const text = Array.from({ length: 30 }, (_, d) => JSON.stringify({ text: `${'alba bero cinta dolmen esca forla '.repeat(6 + (d % 5))}${d}.` })).join('\n');
  await answer({ type: 'data.load', sources: [{ kind: 'text', path: 'words.jsonl', text }], config: DEFAULT_DATA_CONFIG }, ofType('data.loaded'));
  await answer({ type: 'expert.project', choice: { strategy: 'mostFrequent' } }, ofType('model.projected'));
});
afterEach(() => {
  memory.capacity = Infinity;
});

describe('step 4 on a GPU with too little memory', () => {
  it('refuses with an offer, and trains under the offer to the same losses', async () => {
    const expected = await train('roomy', CONFIG);
    const losses = expected.steps.map(({ loss }) => loss);
    const idleBytes = memory.used();
    let config = CONFIG;
    let least = await estimateOf(config);
    for (const [runId, settings] of [['recomputing', { recomputeActivations: true }], ['narrow', { batchSize: 2, gradientAccumulation: 2 }]] as const) {
      memory.capacity = idleBytes + least - 1;
      const { message, offer } = await answer({ type: 'train.start', runId, config: CONFIG }, ofType('train.failed'));
      expect(message).toMatch(/^This run takes about .* of GPU memory, more than this graphics adapter gives now; with .*, about .* would do, for the same steps\.$/);
      expect(offer?.settings).toMatchObject(settings);
      expect(offer?.bytes).toBeLessThan(least);
      expect(events.some((event) => event.type === 'train.started' && event.runId === runId)).toBe(false);
      expect(memory.used()).toBe(idleBytes);
      config = { ...CONFIG, ...offer?.settings };
      const accepted = await train(`${runId}.accepted`, config);
      expectSameLosses(accepted.steps.map(({ loss }) => loss), losses);
      expectSameLosses(accepted.steps.map(({ gradientNorm }) => gradientNorm), expected.steps.map(({ gradientNorm }) => gradientNorm));
      expectSameLosses(accepted.validations, expected.validations);
      least = offer!.bytes;
    }
  });

  it('fails with an offer and its best weights where memory runs out on the way', async () => {
    const idleBytes = memory.used();
    const failed = answer({ type: 'train.start', runId: 'squeezed', config: { ...CONFIG, steps: 1000 } }, (event) => {
      // From the second validation on there is no room for the best weights' way back to the CPU.
      if (event.type === 'train.evaluated' && event.runId === 'squeezed') memory.capacity = memory.used();
      return ofType('train.failed')(event);
    });
    await new Promise((resolve) => setTimeout(resolve));
    const { message, keptStep, offer } = await failed;
    expect(message).toMatch(/^The graphics adapter has no room for another .* \(readback\.once\.staging\); the run takes about .* at its largest; with .* would do, for the same steps\. The best weights, of step \d+, are kept\.$/);
    expect(keptStep).toBeGreaterThan(0);
    expect(offer?.settings.recomputeActivations).toBe(true);
    expect(memory.used()).toBe(idleBytes);
    memory.capacity = Infinity;
    expect((await answer({ type: 'model.export', runId: 'squeezed' }, ofType('model.exported'))).file.size).toBeGreaterThan(0);
  });
});

describe('a race on a GPU with too little memory', () => {
  it('estimates what each method really takes, to the byte', async () => {
    const choices: MethodChoice[] = [
      ...METHOD_NAMES.map((method): MethodChoice => (method === 'SLM-is' ? { ...DEFAULT_CHOICES[method], pretrainingSteps: 2 } : method === 'SLM-d' ? { ...DEFAULT_CHOICES[method], teacherSteps: 2 } : DEFAULT_CHOICES[method])),
      { ...DEFAULT_CHOICES['SLM-pn'], strategy: 'fitted', fittedSteps: 2 },
      { ...DEFAULT_CHOICES['SLM-pn'], strategy: 'bestPretrained' },
      { ...DEFAULT_CHOICES['SLM-mix'], strategy: 'bestPretrained' },
    ];
    for (const [index, method] of choices.entries()) {
      const run = await race(`exact.${index}`, method);
      expect(run.error).toBeUndefined();
      expect(run.cost.peakGpuBytes, run.method.method).toBe(await estimateOf(CONFIG, method));
      await idle([run.runId]);
    }
  });

  it.each([['fitted', 'vector'], ['bestPretrained', 'losses']] as const)('chooses by %s alike whatever the batch', async (strategy, what) => {
    const numbers: number[][] = [];
    for (const settings of [{}, { batchSize: 2, gradientAccumulation: 2 }, { batchSize: 1, gradientAccumulation: 4, recomputeActivations: true }]) {
      const run = await race('choosing', { ...DEFAULT_CHOICES['SLM-pn'], strategy, fittedSteps: 4 }, { ...CONFIG, ...settings });
      numbers.push([...(what === 'vector' ? run.notes.vector! : run.notes.expert!.losses!)]);
      await idle([run.runId]);
    }
    expectSameLosses(numbers[1], numbers[0]);
    expectSameLosses(numbers[2], numbers[0]);
  });

  it('refuses methods together that fit alone, and races them under its offer to the same curves', async () => {
    const methods: MethodName[] = ['SLM', 'LLM'];
    const alone = await Promise.all(methods.map((method) => race(`alone.${method}`, DEFAULT_CHOICES[method])));
    const idleBytes = memory.used();
    const choices = methods.map((method) => DEFAULT_CHOICES[method]);
    const together = await estimateOf(CONFIG, ...choices);
    memory.capacity = idleBytes + together - 1;
    for (const method of methods) expect((await race(`fits.${method}`, DEFAULT_CHOICES[method])).error).toBeUndefined();

    const runs = methods.map((method) => entry(`raced.${method}`, DEFAULT_CHOICES[method]));
    const { message, refused } = await answer({ type: 'runs.start', runs, config: CONFIG }, ofType('runs.failed'));
    expect(message).toMatch(/^Side by side these 2 runs take about .* of GPU memory/);
    expect(refused?.runIds).toEqual(runs.map(({ runId }) => runId));
    expect(refused?.offer?.bytes).toBeLessThan(together);
    expect(events.some((event) => event.type === 'run.changed' && event.run.runId.startsWith('raced'))).toBe(false);

    const ends = runs.map(({ runId }) => answer({ type: 'runs.list' }, endOf(runId)));
    session.handle({ type: 'runs.start', runs, config: { ...CONFIG, ...refused?.offer?.settings } });
    for (const [index, end] of (await Promise.all(ends)).entries()) {
      expect(end.error).toBeUndefined();
      expectSameLosses(end.curve.map(({ validationLoss }) => validationLoss!), alone[index].curve.map(({ validationLoss }) => validationLoss!));
      expectSameLosses([end.test!.after.loss], [alone[index].test!.after.loss]);
    }
    await idle([...alone.map(({ runId }) => runId), ...methods.map((method) => `fits.${method}`), ...runs.map(({ runId }) => runId)]);
  });

  it('fails a run that memory runs out for, and takes it up again under the offer', async () => {
    const expected = await race('whole', { method: 'SLM' });
    let offer: MemoryOffer | undefined;
    const run = await answer({ type: 'runs.start', runs: [entry('torn', { method: 'SLM' })], config: CONFIG }, (event) => {
      if (event.type === 'run.stepped' && event.runId === 'torn' && event.step === 1) memory.capacity = memory.used();
      if (event.type === 'runs.failed') offer = event.refused?.offer;
      return endOf('torn')(event);
    });
    expect(run).toMatchObject({ state: 'failed', error: expect.stringMatching(/^The graphics adapter has no room for another/) });
    expect(offer?.settings.recomputeActivations).toBe(true);
    memory.capacity = memory.used() + offer!.bytes;
    const done = await answer({ type: 'runs.takeUp', runIds: ['torn'], memory: offer?.settings }, endOf('torn'));
    expect(done).toMatchObject({ state: 'finished', error: undefined, settings: { ...CONFIG, recomputeActivations: true } });
    expectSameLosses(done.curve.map(({ validationLoss }) => validationLoss!), expected.curve.map(({ validationLoss }) => validationLoss!));
    await idle(['whole', 'torn']);
  });
});

it('estimates the large model without its weights, and says what is wrong with settings', async () => {
  expect(await estimateOf(CONFIG, { method: 'LLM' })).toBeGreaterThan(await estimateOf(CONFIG, { method: 'SLM' }));
  const { problem } = await answer({ type: 'memory.estimate', of: 'run', config: { ...CONFIG, batchSize: 0 } }, ofType('memory.estimated'));
  expect(problem).toBe('Batch size must be between 1 and 64, not 0.');
});
