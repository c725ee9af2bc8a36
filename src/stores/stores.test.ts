// The stores against event sequences of real sessions, through a letterbox without an engine: what they show, what they send, what they
// forget, and what stays after a failure.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ENGINE_WORKER } from '../client/engineClient.ts';
import { DATA, dataLoaded, figureOf, PACK, packLoaded, projected, testFigure, trainEvaluated, trainStarted, trainStepped } from './events.fixture.ts';
import { RESPLIT_DELAY } from './datasetStore.ts';
import { createLetterbox } from './letterbox.fixture.ts';
import { EVALUATIONS_KEPT } from './metricsStore.ts';
import { packAddress } from './packStore.ts';
import { createStudio } from './studio.ts';
import { createThemeStore, type Theme } from './themeStore.ts';

const noTheme = { systemPrefersDark: { matches: false, addEventListener: () => undefined }, load: () => null, save: () => undefined };

function open() {
  const letterbox = createLetterbox();
  return { ...letterbox, studio: createStudio(letterbox.client, noTheme) };
}

/** A studio with pack, text and projection, and a run that was just asked for. */
function openWithRun() {
  const opened = open();
  opened.studio.dataset.getState().loadText('A tide mill is a pond with a door in it.');
  opened.say(packLoaded(), dataLoaded(), projected());
  opened.studio.runs.getState().start();
  const runId = opened.studio.runs.getState().run?.runId ?? '';
  return { ...opened, runId };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('device', () => {
  it('shows failures of the worker and of unknown commands, not those of a section', () => {
    const { studio, say } = open();
    say({ type: 'engine.failed', command: 'pack.load', message: 'bad pack' });
    expect(studio.device.getState().failure).toBeUndefined();
    expect(studio.pack.getState().error).toBe('bad pack');
    say({ type: 'engine.failed', command: ENGINE_WORKER, message: 'gone' });
    expect(studio.device.getState().failure).toBe('gone');
  });
});

describe('pack', () => {
  it('keeps the former pack when another one fails, and ends waiting when the worker dies', () => {
    const { studio, say } = open();
    studio.pack.getState().loadAddress('packs/nano', 'http://localhost:4173/index.html');
    say({ type: 'pack.progress', file: 'pn.safetensors', bytesLoaded: 1, bytesTotal: 2, fromCache: true });
    expect(studio.pack.getState()).toMatchObject({ loading: true, progress: { fromCache: true } });
    say(packLoaded());
    studio.pack.getState().loadFiles([]);
    say({ type: 'pack.failed', message: 'pack.json is missing.' });
    expect(studio.pack.getState()).toMatchObject({ loading: false, pack: PACK, error: 'pack.json is missing.', progress: undefined });
    studio.pack.getState().loadFiles([]);
    say({ type: 'engine.failed', command: ENGINE_WORKER, message: 'gone' });
    expect(studio.pack.getState()).toMatchObject({ loading: false, error: undefined });
  });

  it('makes addresses absolute and refuses what is none', () => {
    expect(packAddress('packs/nano', 'http://a.test/x/index.html')).toBe('http://a.test/x/packs/nano/');
    expect(packAddress('http://a.test/p/pack.json', 'http://a.test/')).toBe('http://a.test/p/');
    expect(packAddress('  ', 'http://a.test/')).toBeUndefined();
    const { studio, sent } = open();
    studio.pack.getState().loadAddress('http://', 'http://a.test/');
    expect(studio.pack.getState().error).toContain('not an address');
    expect(sent).toEqual([]);
  });
});

describe('dataset', () => {
  it('loads, keeps the summary through a failed and a cancelled load, and reads again for a chosen field', () => {
    const { studio, say, sent } = open();
    const file = new Blob(['a,b']);
    studio.dataset.getState().loadFiles([{ path: 'notes.csv', file }]);
    expect(sent).toMatchObject([{ type: 'data.load', sources: [{ kind: 'file', path: 'notes.csv' }] }]);
    say(dataLoaded());
    expect(studio.dataset.getState()).toMatchObject({ loading: false, summary: { documents: 48 } });
    studio.dataset.getState().loadText('more');
    say({ type: 'data.failed', message: 'too short', fields: [{ path: 'notes.csv', fields: ['a', 'b'], chosen: '' }] });
    expect(studio.dataset.getState()).toMatchObject({ error: 'too short', summary: DATA, failedFields: [{ path: 'notes.csv' }] });
    studio.dataset.getState().chooseField('notes.csv', 'b');
    expect(sent.at(-1)).toMatchObject({ type: 'data.load', config: { fields: { 'notes.csv': 'b' } }, sources: [{ kind: 'text' }] });
    say({ type: 'data.cancelled' });
    expect(studio.dataset.getState()).toMatchObject({ loading: false, summary: DATA });
  });

  it('splits again once, after the last of several changes, and not for a value out of range', () => {
    const { studio, say, sentTypes } = open();
    studio.dataset.getState().loadText('text');
    say(dataLoaded());
    const before = sentTypes().length;
    for (const validationShare of [0.11, 0.12, 0.13]) studio.dataset.getState().changeConfig({ validationShare });
    vi.advanceTimersByTime(RESPLIT_DELAY);
    expect(sentTypes().slice(before)).toEqual(['data.resplit']);
    studio.dataset.getState().changeConfig({ testShare: NaN });
    vi.advanceTimersByTime(RESPLIT_DELAY * 2);
    expect(sentTypes().length).toBe(before + 1);
  });

  it('says so when nothing was dropped, and reads its sources again for another pack', () => {
    const { studio, say, sent } = open();
    studio.dataset.getState().loadFiles([]);
    expect(studio.dataset.getState().error).toContain('Nothing to read');
    expect(sent).toEqual([]);
    studio.dataset.getState().loadText('text');
    say(dataLoaded(), packLoaded());
    expect(sent.at(-1)?.type).toBe('data.load');
    expect(studio.dataset.getState()).toMatchObject({ loading: true, summary: undefined });
  });
});

describe('expert', () => {
  it('asks for a histogram with new data, and projects with the choice made', () => {
    const { studio, say, sent } = open();
    say(packLoaded(), dataLoaded());
    expect(sent.at(-1)).toEqual({ type: 'expert.analyze' });
    expect(studio.expert.getState().activity).toBe('analyzing');
    say({ type: 'expert.analyzed', histogram: [0.9, 0.1], windows: 38 });
    expect(studio.expert.getState().activity).toBe('idle');
    studio.expert.getState().setStrategy('fitted');
    studio.expert.getState().setCluster(1);
    studio.expert.getState().project();
    expect(sent.at(-1)).toEqual({ type: 'expert.project', choice: { strategy: 'fitted', cluster: 1, fittedSteps: 24 } });
    say(
      { type: 'expert.progress', stage: 'Fitting', done: 3, total: 24 },
      { type: 'expert.chosen', strategy: 'fitted', cluster: 1, overridden: true, explanation: 'You chose it.', vector: [1] },
    );
    expect(studio.expert.getState()).toMatchObject({ activity: 'projecting', progress: { done: 3 } });
    say(projected());
    expect(studio.expert.getState()).toMatchObject({ activity: 'idle', chosen: { explanation: 'You chose it.' }, projected: { weightsHash: 'c2d80f1e66ab9034' } });
    say(dataLoaded());
    expect(studio.expert.getState()).toMatchObject({ chosen: undefined, projected: undefined, cluster: undefined });
  });

  it('keeps the histogram when projecting fails', () => {
    const { studio, say } = open();
    say(packLoaded(), dataLoaded(), { type: 'expert.analyzed', histogram: [0.9, 0.1], windows: 38 });
    studio.expert.getState().project();
    say({ type: 'expert.failed', message: 'no' });
    expect(studio.expert.getState()).toMatchObject({ activity: 'idle', error: 'no', analysis: { windows: 38 } });
  });
});

describe('runs', () => {
  it('takes the preset of the text, and the context of the pack', () => {
    const { studio, say } = open();
    say(packLoaded({ ...PACK, model: { ...PACK.model, maxPositionEmbeddings: 64 } }), dataLoaded(30_000_000));
    expect(studio.runs.getState()).toMatchObject({ preset: '64M', config: { steps: 30_000, seqLen: 64 } });
  });

  it('keeps the user’s settings when the same text is split again', () => {
    const { studio, say } = open();
    say(packLoaded(), dataLoaded());
    studio.runs.getState().changeConfig({ steps: 60 });
    say(dataLoaded());
    expect(studio.runs.getState().config.steps).toBe(60);
  });

  it('refuses an invalid setting with a sentence and sends nothing', () => {
    const { studio, sent } = open();
    studio.runs.getState().changeConfig({ learningRate: NaN });
    studio.runs.getState().start();
    expect(studio.runs.getState().error).toContain('Learning rate');
    expect(studio.runs.getState().run).toBeUndefined();
    expect(sent).toEqual([]);
  });

  it('goes through a whole run, its test and its export', () => {
    const { studio, say, sent, runId } = openWithRun();
    expect(sent.at(-1)).toMatchObject({ type: 'train.start', runId });
    expect(studio.runs.getState().run?.state).toBe('starting');
    say(trainStarted(runId), { type: 'train.state', runId, state: 'running' });
    studio.runs.getState().pause();
    say({ type: 'train.state', runId, state: 'paused' });
    studio.runs.getState().step();
    studio.runs.getState().resume();
    studio.runs.getState().stop();
    expect(sent.slice(-4).map((command) => command.type)).toEqual(['train.pause', 'train.step', 'train.resume', 'train.stop']);
    say({ type: 'train.finished', runId, reason: 'stopped', step: 20, bestStep: 10, seconds: 2 });
    say({ type: 'test.progress', runId, model: 'slm', tokensDone: 1, tokensTotal: 2 });
    expect(studio.runs.getState().run).toMatchObject({ state: 'finished', testProgress: { tokensDone: 1 } });
    say({ type: 'test.evaluated', runId, figures: [testFigure('slm', 150, [140, 160])] });
    expect(studio.runs.getState().run).toMatchObject({ testProgress: undefined, figures: [{ model: 'slm' }] });
    studio.runs.getState().exportModel();
    expect(studio.runs.getState().run?.exporting).toBe(true);
    say({ type: 'model.exported', runId, file: new Blob(['zip']), fileName: 'm.zip' });
    expect(studio.runs.getState().run).toMatchObject({ exporting: false, exported: { fileName: 'm.zip' } });
  });

  it('steps once as soon as a run that was started by a step waits', () => {
    const { studio, say, sent, sentTypes } = open();
    say(packLoaded(), dataLoaded(), projected());
    studio.runs.getState().step();
    const runId = studio.runs.getState().run?.runId ?? '';
    expect(sent.at(-1)).toMatchObject({ type: 'train.start', paused: true });
    say(trainStarted(runId), { type: 'train.state', runId, state: 'paused' }, { type: 'train.state', runId, state: 'paused' });
    expect(sentTypes().filter((type) => type === 'train.step')).toHaveLength(1);
  });

  it('ends a running run when the device is lost, and keeps its curves and figures', () => {
    const { studio, say, sent, runId } = openWithRun();
    say(trainStarted(runId), { type: 'train.state', runId, state: 'running' }, trainStepped(runId, 1, 5), { type: 'device.lost', reason: 'reset' });
    expect(studio.runs.getState().run).toMatchObject({ state: 'failed', error: expect.stringContaining('GPU') });
    expect(studio.device.getState().status).toBe('lost');
    expect(studio.metrics.getState().latest?.step).toBe(1);
    say({ type: 'train.failed', runId, message: 'The graphics device was lost while training.', keptStep: 20 });
    expect(studio.runs.getState().run).toMatchObject({ state: 'failed', keptStep: 20 });
    studio.device.getState().open();
    expect(sent.at(-1)).toEqual({ type: 'engine.open', request: {} });
  });

  it('keeps a run going when a command to it was refused, and ends one that could not start', () => {
    const { studio, say, runId } = openWithRun();
    say(trainStarted(runId), { type: 'train.state', runId, state: 'running' });
    say({ type: 'engine.failed', command: 'train.step', message: 'not paused' });
    expect(studio.runs.getState().run).toMatchObject({ state: 'running', error: 'not paused' });
    say({ type: 'engine.failed', command: 'train.start', message: 'out of memory' });
    expect(studio.runs.getState().run).toMatchObject({ state: 'failed', error: 'out of memory' });
  });

  it('ignores events of another run', () => {
    const { studio, say, runId } = openWithRun();
    say(trainStarted(runId), { type: 'train.failed', runId: 'older', message: 'no' });
    expect(studio.runs.getState().run?.state).toBe('starting');
  });
});

describe('metrics', () => {
  it('begins the validation curve at the projected start and remembers the best', () => {
    const { studio, say, runId } = openWithRun();
    say(trainStarted(runId), trainEvaluated(runId, 10, 60, true), trainEvaluated(runId, 20, 70, false));
    const { series, bestEvaluation, lastEvaluation } = studio.metrics.getState();
    expect(series.validationLoss.points(10).map((point) => point.step)).toEqual([0, 10, 20]);
    expect(series.validationLoss.points(10)[0].mean).toBeCloseTo(figureOf(138.4).loss, 12);
    expect([bestEvaluation?.step, lastEvaluation?.step]).toEqual([10, 20]);
  });

  it('draws no gradient norm for a step that was skipped', () => {
    const { studio, say, runId } = openWithRun();
    say(trainStarted(runId), trainStepped(runId, 1, 5), { ...trainStepped(runId, 2, 4), gradientNorm: Infinity }, { ...trainStepped(runId, 3, 4), gradientNorm: NaN }, trainStepped(runId, 4, 3));
    const { series } = studio.metrics.getState();
    expect(series.gradientNorm.points(10).map(({ step }) => step)).toEqual([1, 4]);
    expect(series.trainingLoss.points(10)).toHaveLength(4);
  });

  it('holds 30,000 steps and 3,000 validations in bounded memory', () => {
    const { studio, say, runId } = openWithRun();
    say(trainStarted(runId));
    for (let step = 1; step <= 30_000; step++) {
      say(trainStepped(runId, step, 5 - step / 10_000));
      if (step % 10 === 0) say(trainEvaluated(runId, step, 100 - step / 1000, true));
    }
    const { series, evaluations, latest } = studio.metrics.getState();
    expect(latest?.step).toBe(30_000);
    for (const one of Object.values(series)) expect(one.length).toBeLessThanOrEqual(1000);
    expect(series.trainingLoss.points(300).length).toBeLessThanOrEqual(300);
    expect(series.trainingLoss.points(300).at(-1)?.step).toBe(30_000);
    expect(evaluations).toHaveLength(EVALUATIONS_KEPT);
    expect(evaluations.at(-1)?.step).toBe(30_000);
  });

  it('forgets the curves with a new projection', () => {
    const { studio, say, runId } = openWithRun();
    say(trainStarted(runId), trainStepped(runId, 1, 5), projected(), trainStepped(runId, 2, 5));
    expect(studio.metrics.getState()).toMatchObject({ latest: undefined, started: undefined });
    expect(studio.runs.getState().run).toBeUndefined();
  });
});

describe('samples', () => {
  it('streams both completions, ignores older ones and ends when both are done', () => {
    const { studio, say, sent } = open();
    studio.samples.getState().changeConfig({ prompt: 'The gate' });
    studio.samples.getState().start();
    const { sampleId = '' } = studio.samples.getState();
    expect(sent.at(-1)).toMatchObject({ type: 'sample.start', sampleId, config: { prompt: 'The gate' } });
    say(
      { type: 'sample.text', sampleId, model: 'projected', text: ' of', tokens: 1 },
      { type: 'sample.text', sampleId: 'older', model: 'projected', text: ' wrong', tokens: 9 },
      { type: 'sample.text', sampleId, model: 'fineTuned', text: ' is', tokens: 1 },
      { type: 'sample.text', sampleId, model: 'fineTuned', text: ' shut here', tokens: 3 },
      { type: 'sample.finished', sampleId, model: 'projected', tokens: 1, tokensPerSecond: 90 },
    );
    expect(studio.samples.getState()).toMatchObject({ running: true, completions: { projected: { text: ' of', tokens: 1, finished: true }, fineTuned: { text: ' is shut here', tokens: 3 } } });
    say({ type: 'sample.finished', sampleId, model: 'fineTuned', tokens: 3, tokensPerSecond: 91 });
    expect(studio.samples.getState().running).toBe(false);
  });

  it('refuses a temperature out of range and stops on failure', () => {
    const { studio, say, sent } = open();
    studio.samples.getState().changeConfig({ temperature: 3 });
    studio.samples.getState().start();
    expect(studio.samples.getState().error).toContain('Temperature');
    expect(sent).toEqual([]);
    studio.samples.getState().changeConfig({ temperature: 1 });
    studio.samples.getState().start();
    say({ type: 'sample.failed', sampleId: studio.samples.getState().sampleId ?? '', message: 'no' });
    expect(studio.samples.getState()).toMatchObject({ running: false, error: 'no' });
  });
});

describe('theme', () => {
  it('follows the system until the user chooses, and keeps the choice', () => {
    const saved: Theme[] = [];
    let onChange = (): void => undefined;
    const system = { matches: true, addEventListener: (_: string, listener: () => void) => { onChange = listener; } };
    const surroundings = { systemPrefersDark: system as unknown as MediaQueryList, load: () => null, save: (theme: Theme) => saved.push(theme) };
    const theme = createThemeStore(surroundings);
    expect(theme.getState().theme).toBe('dark');
    system.matches = false;
    onChange();
    expect(theme.getState().theme).toBe('light');
    theme.getState().toggle();
    onChange();
    expect(theme.getState().theme).toBe('dark');
    expect(saved).toEqual(['dark']);
    expect(createThemeStore({ ...surroundings, load: () => 'dark' }).getState().theme).toBe('dark');
  });
});
