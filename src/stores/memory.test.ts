// Estimates and offers of GPU memory in the stores, against event sequences as an engine sends them.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_RUN_CONFIG } from '../config/runConfig.ts';
import type { RunRecord } from '../config/runRecord.ts';
import type { EngineCommand } from '../protocol/commands.ts';
import type { AdapterSummary, MemoryOffer } from '../protocol/events.ts';
import { dataLoaded, PACK, packLoaded, projected, trainStarted } from './events.fixture.ts';
import { createLetterbox } from './letterbox.fixture.ts';
import { ESTIMATE_DELAY } from './memoryStore.ts';
import { createStudio } from './studio.ts';

const noTheme = { systemPrefersDark: { matches: false, addEventListener: () => undefined }, load: () => null, save: () => undefined };
const deviceReady = { type: 'device.ready', adapter: { name: 'test' } as AdapterSummary } as const;
const OFFER: MemoryOffer = {
  settings: { batchSize: 2, gradientAccumulation: 2, recomputeActivations: false },
  instead: { batchSize: 4, gradientAccumulation: 1, recomputeActivations: false },
  bytes: 1e8,
};

const recordOf = (runId: string, state: RunRecord['state']): RunRecord => ({
  formatVersion: 1, runId, name: runId, createdAt: '', updatedAt: '', state, method: { method: 'SLM' }, settings: { ...DEFAULT_RUN_CONFIG, seed: 77 },
  dataFingerprint: '', dataLabel: '', packName: '', packHash: '', adapter: '', curve: [], samples: [], phases: [], cost: { tokens: 0, flops: 0, seconds: 0, peakGpuBytes: 0 }, notes: {},
});

function open() {
  const letterbox = createLetterbox();
  const studio = createStudio(letterbox.client, noTheme);
  letterbox.say(deviceReady, packLoaded(), dataLoaded(), projected());
  const ofType = <T extends EngineCommand['type']>(type: T) => letterbox.sent.filter((command): command is Extract<EngineCommand, { type: T }> => command.type === type);
  const questions = (of: 'run' | 'race') => ofType('memory.estimate').filter((command) => command.of === of);
  return { ...letterbox, studio, ofType, questions, wait: () => vi.advanceTimersByTime(ESTIMATE_DELAY) };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('estimates', () => {
  it('are asked for once there is a device and a pack, and once after several changes', () => {
    const { studio, questions, wait } = open();
    wait();
    expect(questions('run')).toHaveLength(1);
    expect(questions('race')).toMatchObject([{ methods: [{ method: 'SLM' }, { method: 'SLM-pn' }] }]);
    for (const batchSize of [5, 6, 8]) studio.runs.getState().changeConfig({ batchSize });
    wait();
    expect(questions('run').map(({ config }) => config.batchSize)).toEqual([4, 8]);
    expect(questions('race')).toHaveLength(2);
    studio.comparison.getState().toggleMethod('SLM-nopt');
    wait();
    expect(questions('run')).toHaveLength(2);
    expect(questions('race')).toHaveLength(3);
  });

  it('are not asked for without a device, nor again for what they do not depend on', () => {
    const letterbox = createLetterbox();
    createStudio(letterbox.client, noTheme);
    letterbox.say(packLoaded());
    vi.advanceTimersByTime(ESTIMATE_DELAY);
    expect(letterbox.sentTypes()).not.toContain('memory.estimate');
    const { studio, questions, wait } = open();
    wait();
    studio.runs.getState().changeConfig({ learningRate: 1e-4, steps: 7 });
    wait();
    expect(questions('run')).toHaveLength(1);
  });

  it('are shown, and gone with settings out of range, methods the pack lacks and the device', () => {
    const { studio, say, questions, wait } = open();
    wait();
    say({ type: 'memory.estimated', of: 'run', bytes: 1e8 }, { type: 'memory.estimated', of: 'race', problem: 'Too large.' });
    expect(studio.memory.getState()).toEqual({ run: { bytes: 1e8 }, race: { problem: 'Too large.' } });
    studio.runs.getState().changeConfig({ seqLen: PACK.model.maxPositionEmbeddings + 8 });
    expect(studio.memory.getState()).toEqual({});
    // An answer to a question that is no longer one.
    say({ type: 'memory.estimated', of: 'run', bytes: 1e8 });
    expect(studio.memory.getState()).toEqual({});
    studio.runs.getState().changeConfig({ seqLen: 64 });
    studio.comparison.getState().toggleMethod('LLM');
    wait();
    expect(questions('race').at(-1)).toMatchObject({ methods: [{ method: 'SLM' }, { method: 'SLM-pn' }] });
    say({ type: 'memory.estimated', of: 'run', bytes: 1e8 }, { type: 'device.lost', reason: 'gone' });
    expect(studio.memory.getState().run).toBeUndefined();
  });
});

describe('an offer for step 4', () => {
  it('changes the settings and starts again when it is accepted', () => {
    const { studio, say, ofType } = open();
    studio.runs.getState().start();
    const first = ofType('train.start')[0];
    say({ type: 'train.failed', runId: first.runId, message: 'Too large; with batches of 2 it fits.', offer: OFFER });
    expect(studio.runs.getState()).toMatchObject({ offer: OFFER, run: { state: 'failed', error: 'Too large; with batches of 2 it fits.' } });
    studio.runs.getState().acceptOffer();
    expect(studio.runs.getState()).toMatchObject({ offer: undefined, config: OFFER.settings, run: { state: 'starting' } });
    const [, second] = ofType('train.start');
    expect(second.config).toEqual({ ...first.config, ...OFFER.settings });
    expect(second.runId).not.toBe(first.runId);
    say(trainStarted(second.runId));
    studio.runs.getState().acceptOffer();
    expect(ofType('train.start')).toHaveLength(2);
  });

  it('is gone when the settings are changed, and never that of another run', () => {
    const { studio, say, ofType } = open();
    studio.runs.getState().start();
    const [{ runId }] = ofType('train.start');
    say({ type: 'train.failed', runId: 'older', message: 'no', offer: OFFER });
    expect(studio.runs.getState().offer).toBeUndefined();
    say({ type: 'train.failed', runId, message: 'no', offer: OFFER });
    studio.runs.getState().changeConfig({ batchSize: 3 });
    expect(studio.runs.getState().offer).toBeUndefined();
    say({ type: 'train.failed', runId, message: 'no', offer: OFFER }, projected());
    expect(studio.runs.getState().offer).toBeUndefined();
  });
});

describe('an offer for kept runs', () => {
  it('races the same methods with the settings that step 4 then shows', () => {
    const { studio, say, ofType } = open();
    studio.comparison.getState().startRace();
    const [first] = ofType('runs.start');
    const runIds = first.runs.map(({ runId }) => runId);
    say({ type: 'runs.failed', message: 'Too large.', refused: { runIds, offer: OFFER } });
    expect(studio.comparison.getState()).toMatchObject({ error: 'Too large.', refused: { offer: OFFER } });
    studio.comparison.getState().acceptOffer();
    const [, second] = ofType('runs.start');
    expect(second).toEqual({ ...first, config: { ...first.config, ...OFFER.settings } });
    expect(studio.runs.getState().config).toMatchObject(OFFER.settings);
    expect(studio.comparison.getState()).toMatchObject({ error: undefined, refused: undefined });
  });

  it('repeats a run without touching step 4', () => {
    const { studio, say, ofType } = open();
    const run = recordOf('kept', 'finished');
    say({ type: 'runs.listed', runs: [run], bytes: 1 });
    const { config } = studio.runs.getState();
    studio.comparison.getState().repeat('kept');
    const [first] = ofType('runs.start');
    say({ type: 'runs.failed', message: 'Too large.', refused: { runIds: [first.runs[0].runId], offer: OFFER } });
    studio.comparison.getState().acceptOffer();
    expect(ofType('runs.start')[1].config).toEqual({ ...run.settings, ...OFFER.settings });
    expect(studio.runs.getState().config).toEqual(config);
  });

  it('takes up what was begun, and offers nothing for other failures', () => {
    const { studio, say, ofType, sent } = open();
    studio.comparison.getState().startRace();
    const [{ runs: [{ runId }] }] = ofType('runs.start');
    say({ type: 'run.changed', run: recordOf(runId, 'running') });
    say({ type: 'runs.failed', runId, message: 'No room.', refused: { runIds: [runId], offer: OFFER } });
    studio.comparison.getState().acceptOffer();
    expect(sent.at(-1)).toEqual({ type: 'runs.takeUp', runIds: [runId], memory: OFFER.settings });
    say({ type: 'runs.failed', message: 'Not stored.' });
    const before = sent.length;
    studio.comparison.getState().acceptOffer();
    expect(sent).toHaveLength(before);
    say({ type: 'runs.failed', message: 'Nothing fits.', refused: { runIds: [runId] } });
    studio.comparison.getState().acceptOffer();
    expect(sent).toHaveLength(before);
  });
});
