// The sequence of a race against an engine played by hand: what is sent, what is reported, and who fails with whom.
import { expect, it } from 'vitest';
import { DEFAULT_CHOICES } from '../config/method.ts';
import type { RunRecord } from '../config/runRecord.ts';
import type { EngineCommand, RunEntry } from '../protocol/commands.ts';
import type { EngineEvent } from '../protocol/events.ts';
import { playedEngine, PREPARED, type Answers } from './playedEngine.fixture.ts';
import { race, type RaceRequest } from './race.ts';
import { isComplete } from './raceReport.ts';
import { finishedRun, runningRun } from './runRecord.fixture.ts';

const REQUEST: RaceRequest = {
  pack: { kind: 'url', url: 'http://localhost/packs/nano/' },
  data: [{ kind: 'text', path: 'a.txt', text: 'words' }],
  requireHardware: false,
  methods: [{ text: 'SLM-pn:strategy=fitted', method: 'SLM-pn', options: { strategy: 'fitted' } }, { text: 'SLM', method: 'SLM', options: {} }],
  budget: { unit: 'tokens', amount: 5000 },
  seed: 7,
  exportRuns: true,
};

const changed = (run: RunRecord): EngineEvent => ({ type: 'run.changed', run });
const begun = ({ runId, name, method }: RunEntry): EngineEvent => changed(runningRun(method.method, { runId, name, method }));
/** Ends with 50, or for SLM with 60; a finished run is told of twice, as the engine does. */
function finished({ runId, name, method }: RunEntry): EngineEvent[] {
  const end = changed(finishedRun(method.method, method.method === 'SLM' ? 60 : 50, { runId, name, method }));
  return [end, end];
}
const failed = ({ runId, name, method }: RunEntry): EngineEvent => changed(runningRun(method.method, { runId, name, method, state: 'failed', error: 'The loss is not finite.' }));

const ANSWERS: Answers = {
  ...PREPARED,
  'runs.start': ({ runs }) => [...runs.map(begun), ...[...runs].reverse().flatMap(finished)],
  'run.export': ({ runId }) => [{ type: 'run.exported', runId, file: new Blob(['zip']), fileName: `${runId}.run.zip` }],
};

async function raced(answers: Answers, request: RaceRequest = REQUEST) {
  const engine = playedEngine(answers);
  const files: string[] = [];
  const left: string[] = [];
  const report = await race(engine, request, { onRunFile: ({ fileName }) => files.push(fileName), onSkipped: ({ method, lacking }) => left.push(`${method} lacks ${lacking}`) });
  const start = engine.sent.find((command): command is Extract<EngineCommand, { type: 'runs.start' }> => command.type === 'runs.start')!;
  return { engine, report, files, left, start };
}

it('starts the runs with their options, budget and settings, and exports each as it ends', async () => {
  const { engine, files, start } = await raced(ANSWERS);
  expect(engine.sent.map(({ type }) => type)).toEqual(['engine.open', 'pack.load', 'data.load', 'runs.start', 'run.export', 'run.export']);
  expect(start.runs.map(({ name, method }) => ({ name, method }))).toEqual([
    { name: 'SLM-pn:strategy=fitted', method: { ...DEFAULT_CHOICES['SLM-pn'], strategy: 'fitted' } }, { name: 'SLM', method: { method: 'SLM' } },
  ]);
  expect(start.budget).toEqual(REQUEST.budget);
  expect(start.config).toMatchObject({ seed: 7, seqLen: 64, evaluateEvery: 10 });
  const [pn, slm] = start.runs.map(({ runId }) => runId);
  expect(files).toEqual([`${slm}.run.zip`, `${pn}.run.zip`]);
  expect(engine.listeners.size).toBe(0);
});

it('reports every run in the order asked for, the table in the paper\'s, without what is kept per document', async () => {
  const { report } = await raced(ANSWERS);
  expect(report).toMatchObject({ adapter: 'test adapter', data: { documents: 9, tokens: { train: 800, validation: 100, test: 120 } }, skipped: [] });
  expect(report.runs.map(({ name, state }) => [name, state])).toEqual([['SLM-pn:strategy=fitted', 'finished'], ['SLM', 'finished']]);
  const [pn] = report.runs;
  expect(pn).toMatchObject({ bestWeightsHash: 'cd'.repeat(8), cost: { tokens: 51_200, flops: 5e11, seconds: 65, peakGpuBytes: 1e8 }, curve: [{ step: 0, validationLoss: 4 }], notes: {} });
  expect(pn.test?.after).toMatchObject({ interval: [40, 62.5], documents: 3, weightsHash: 'ab'.repeat(8) });
  expect(report.table.map(({ name }) => name)).toEqual(['SLM', 'SLM-pn:strategy=fitted']);
  expect(report.table[1].ratio).toBeCloseTo(50 / 60, 9);
  expect(report.conclusion).toMatch(/^On your test documents SLM-pn:strategy=fitted is the best start/);
  expect(JSON.stringify(report)).not.toMatch(/documentNats|documentTokens/);
  expect(report.seconds).toBeGreaterThanOrEqual(0);
  expect(isComplete(report)).toBe(true);
});

it('takes steps where there is no budget, and exports nothing that is not asked for', async () => {
  const { engine, start } = await raced(ANSWERS, { ...REQUEST, budget: undefined, steps: 4, exportRuns: false });
  expect(start.budget).toBeUndefined();
  expect(start.config).toMatchObject({ steps: 4, evaluateEvery: 4 });
  expect(engine.sent.at(-1)?.type).toBe('runs.start');
});

it('has all be every method that the pack can run, and says what the others lack', async () => {
  const { start, left, report } = await raced(ANSWERS, { ...REQUEST, methods: 'all' });
  expect(start.runs.map(({ name }) => name)).toEqual(['SLM', 'SLM-nopt', 'SLM-pn', 'SLM-is']);
  expect(left).toEqual(['SLM-mix lacks mixture experts', 'SLM-d lacks a large model', 'LLM lacks a large model']);
  expect(report.skipped.map(({ method }) => method)).toEqual(['SLM-mix', 'SLM-d', 'LLM']);
});

it('reports the others where one fails, and saves what the failed one left', async () => {
  const { report, files } = await raced({ ...ANSWERS, 'runs.start': ({ runs: [pn, slm] }) => [begun(pn), begun(slm), failed(pn), ...finished(slm)] });
  expect(report.runs.map(({ state, error }) => [state, error])).toEqual([['failed', 'The loss is not finite.'], ['finished', undefined]]);
  expect(report.table.map(({ name }) => name)).toEqual(['SLM']);
  expect(files).toHaveLength(2);
  expect(isComplete(report)).toBe(false);
});

it('goes on where a device is lost or something could not be stored: the runs tell it themselves', async () => {
  const news = (runId: string): EngineEvent[] => [{ type: 'runs.failed', runId, message: 'No room.' }, { type: 'device.lost', reason: 'reset.' }];
  const { report, files } = await raced({ ...ANSWERS, 'runs.start': ({ runs: [pn, slm] }) => [begun(pn), begun(slm), ...finished(slm), ...news(pn.runId), failed(pn)] });
  expect(report.runs.map(({ state }) => state)).toEqual(['failed', 'finished']);
  expect(files).toHaveLength(2);
});

it('says of which run no file could be made', async () => {
  const { report, files } = await raced({
    ...ANSWERS,
    'run.export': ({ runId }) => [runId.endsWith('-2') ? { type: 'runs.failed', message: 'That run is not stored any more.' } : { type: 'run.exported', runId, file: new Blob(), fileName: 'pn.run.zip' }],
  });
  expect(files).toEqual(['pn.run.zip']);
  expect(report.runs.map(({ saveError }) => saveError)).toEqual([undefined, 'That run is not stored any more.']);
  expect(isComplete(report)).toBe(false);
});

it.each<[string, Answers, string]>([
  ['no run can be started', { 'runs.start': [{ type: 'runs.failed', message: 'LLM needs a large model, which this pack does not have.' }] }, 'LLM needs a large model, which this pack does not have.'],
  ['a later run cannot be started', { 'runs.start': ({ runs: [pn] }) => [begun(pn), { type: 'runs.failed', message: 'No room for it.' }] }, 'No room for it.'],
  ['the device is lost before they began', { 'runs.start': [{ type: 'device.lost', reason: 'reset.' }] }, 'The GPU was lost: reset.'],
  ['the worker dies', { 'runs.start': ({ runs }) => [...runs.map(begun), { type: 'engine.failed', command: 'engine.worker', message: 'The engine met an unexpected error.' }] }, 'The engine met an unexpected error.'],
  ['the text is empty', { 'data.load': [{ type: 'data.failed', message: 'empty.txt holds no text.' }] }, 'empty.txt holds no text.'],
])('ends with one sentence where %s', async (_, answers, sentence) => {
  const engine = playedEngine({ ...ANSWERS, ...answers });
  await expect(race(engine, REQUEST, { onRunFile: () => {}, onSkipped: () => {} })).rejects.toThrow(sentence);
  expect(engine.listeners.size).toBe(0);
});

it('opens nothing where an option makes no sense', async () => {
  const engine = playedEngine(ANSWERS);
  const methods = [{ text: 'SLM:seed=2', method: 'SLM' as const, options: { seed: '2' } }];
  await expect(race(engine, { ...REQUEST, methods }, { onRunFile: () => {}, onSkipped: () => {} })).rejects.toThrow('SLM has no option seed; it has none.');
  expect(engine.sent).toEqual([]);
});
