// The sequence of commands against an engine played by hand: what is sent, what the report is made of, and that a failure ends it.
import { expect, it } from 'vitest';
import type { EventOf, LossFigure } from '../protocol/events.ts';
import { DATA, PACK, playedEngine, PREPARED, type Answers } from './playedEngine.fixture.ts';
import { runConfigFor } from './preparation.ts';
import { specialize, type SpecializeRequest } from './specializeRun.ts';
import { trainingCurve } from './trainingCurve.ts';

const REQUEST: SpecializeRequest = {
  pack: { kind: 'url', url: 'http://localhost/packs/nano/' },
  data: [{ kind: 'text', path: 'a.txt', text: 'words' }],
  strategy: 'mostFrequent',
  steps: 2,
  seed: 7,
  exportModel: true,
  requireHardware: false,
};

const figure = (perplexity: number): LossFigure => ({ loss: Math.log(perplexity), perplexity, bitsPerByte: 1, tokens: 100 });
const stepped = (step: number, loss: number): EventOf<'train.stepped'> => ({
  type: 'train.stepped', runId: 'cli', step, tokens: 512 * step, seconds: step, loss, gradientNorm: 1, learningRate: 1e-3, tokensPerSecond: 500 + step, gpuBytes: 1,
});
const evaluated = (step: number, perplexity: number): EventOf<'train.evaluated'> => ({
  type: 'train.evaluated', runId: 'cli', step, tokens: 512 * step, seconds: step, validation: figure(perplexity), best: true,
});
const tested = (model: 'slm' | 'projected' | 'fineTuned', perplexity: number) => ({ ...figure(perplexity), model, interval: [1, 200] as const, weightsHash: model, documents: 3 });

const STARTED: EventOf<'train.started'> = {
  type: 'train.started', runId: 'cli', config: {} as EventOf<'train.started'>['config'], gpuBytes: 1, tokensPerStep: 512, slm: figure(90), projected: figure(100),
};

const ANSWERS: Answers = {
  ...PREPARED,
  'expert.analyze': [{ type: 'expert.analyzed', histogram: [0.25, 0.75], windows: 4 }],
  'expert.project': [
    { type: 'expert.chosen', strategy: 'mostFrequent', cluster: 1, overridden: false, explanation: 'Because.', vector: [1] },
    { type: 'model.projected', weightsHash: 'p', slm: figure(90), projected: figure(100), projectionSeconds: 1, bytesRead: 1 },
  ],
  'train.start': [
    STARTED,
    stepped(1, Math.log(80)), stepped(2, Math.log(20)), evaluated(2, 50),
    { type: 'train.finished', runId: 'cli', reason: 'steps', step: 2, bestStep: 2, seconds: 2 },
    { type: 'test.evaluated', runId: 'cli', figures: [tested('slm', 91), tested('projected', 101), tested('fineTuned', 51)] },
  ],
  'model.export': [{ type: 'model.exported', runId: 'cli', file: new Blob(['zip']), fileName: 'model.zip' }],
};

it('sends the commands in order and reports the test figures', async () => {
  const engine = playedEngine(ANSWERS);
  const { report, exported } = await specialize(engine, REQUEST);
  expect(engine.sent.map(({ type }) => type)).toEqual(['engine.open', 'pack.load', 'data.load', 'expert.analyze', 'expert.project', 'train.start', 'model.export']);
  const { curve, seconds, ...rest } = report;
  expect(rest).toEqual({
    adapter: 'test adapter',
    data: { documents: 9, tokens: { train: 800, validation: 100, test: 120 } },
    clusters: { histogram: [0.25, 0.75], chosen: 1, strategy: 'mostFrequent' },
    perplexity: { slm: 91, projected: 101, fineTuned: 51 },
    tokensPerSecond: 512,
  });
  expect(seconds).toBeGreaterThanOrEqual(0);
  expect(curve.map(({ step }) => step)).toEqual([0, 2]);
  expect(exported?.fileName).toBe('model.zip');
  expect(engine.listeners.size).toBe(0);
});

it('trains with what was asked for and windows that fit the context', () => {
  expect(runConfigFor(PACK, DATA, REQUEST)).toMatchObject({ steps: 2, seed: 7, seqLen: 64, evaluateEvery: 2, learningRate: 1e-3 });
  expect(runConfigFor(PACK, DATA, {})).toMatchObject({ steps: 2000, seed: 1, evaluateEvery: 10 });
});

it('draws the curve from the projected model on', () => {
  const curve = trainingCurve(STARTED, [stepped(1, Math.log(80)), stepped(2, Math.log(20)), stepped(3, Math.log(30))], [evaluated(2, 50), evaluated(3, 40)]);
  expect(curve.map(({ step, validation }) => [step, validation])).toEqual([[0, 100], [2, 50], [3, 40]]);
  [80, 40, 30].forEach((train, index) => expect(curve[index].train).toBeCloseTo(train, 9));
  expect(trainingCurve(STARTED, [], [])).toEqual([]);
});

it('refuses a software adapter where hardware was asked for', async () => {
  const engine = playedEngine({ 'engine.open': [{ type: 'device.ready', adapter: { name: 'SwiftShader', isFallback: true } as EventOf<'device.ready'>['adapter'] }] });
  await expect(specialize(engine, { ...REQUEST, requireHardware: true })).rejects.toThrow('no hardware adapter for WebGPU, only SwiftShader');
});

it.each([
  ['engine.open', { type: 'device.unavailable', reason: 'There is no WebGPU.' }],
  ['pack.load', { type: 'pack.failed', message: 'slm.safetensors is damaged.' }],
  ['data.load', { type: 'data.failed', message: 'empty.txt holds no text.' }],
  ['train.start', { type: 'device.lost', reason: 'reset.' }],
  ['model.export', { type: 'model.exportFailed', runId: 'cli', message: 'No room.' }],
] as const)('ends with the sentence of a failure after %s', async (command, event) => {
  const engine = playedEngine({ ...ANSWERS, [command]: [event] });
  await expect(specialize(engine, REQUEST)).rejects.toThrow('reason' in event ? event.reason : event.message);
  expect(engine.sent.at(-1)?.type).toBe(command);
});
