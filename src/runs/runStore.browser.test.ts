// The run store in a real browser: IndexedDB and Web Locks as they are, tabs played by workers, and a quota that is really used up.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cdp } from 'vitest/browser';
import { deleteDB, openDB } from 'idb';
import { UserError } from '../core/invariant.ts';
import { bestOf, checkpointAt, finishedRun, floats, runningRun, tensorsOf } from './run.fixture.ts';
import { exportRun, importRun } from './runFile.ts';
import { openRunStore, type RunStore } from './runStore.ts';

let name: string;
let opened: RunStore[];
let workers: Worker[];
beforeEach(() => {
  name = `runs-test-${crypto.randomUUID()}`;
  opened = [];
  workers = [];
});
afterEach(async () => {
  for (const worker of workers) worker.terminate();
  for (const store of opened) await store.close();
  await deleteDB(name);
});

async function openTab(): Promise<RunStore> {
  const store = await openRunStore({ name });
  opened.push(store);
  return store;
}

const sentenceOf = (promise: Promise<unknown>): Promise<string> => promise.then(() => 'no failure', (error: unknown) => {
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
});

/** A tab of its own that runs `body` (over `store` and what the fixture exports) and says what it says. */
function otherTab(body: string): { worker: Worker; said: (what: string) => Promise<void> } {
  const code = `
    import { openRunStore } from '${new URL('./runStore.ts', import.meta.url).href}';
    import * as fixture from '${new URL('./run.fixture.ts', import.meta.url).href}';
    const store = await openRunStore({ name: '${name}' });
    const say = (what) => postMessage(what);
    ${body}`;
  const worker = new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })), { type: 'module' });
  workers.push(worker);
  const heard = new Set<string>();
  const waiting: (() => void)[] = [];
  worker.onmessage = ({ data }: MessageEvent<string>) => {
    heard.add(data);
    waiting.forEach((wake) => wake());
  };
  const failed = new Promise<never>((_, reject) => {
    worker.onerror = (event) => reject(new Error(event.message));
  });
  failed.catch(() => undefined);
  const said = (what: string): Promise<void> => Promise.race([failed, new Promise<void>((resolve) => {
    const look = (): void => {
      if (heard.has(what)) resolve();
    };
    waiting.push(look);
    look();
  })]);
  return { worker, said };
}

const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The state of run `runId` once it is `state`; a killed worker's lock goes a moment later. */
async function becomes(store: RunStore, runId: string, state: string): Promise<void> {
  await expect.poll(async () => (await store.list()).find((run) => run.runId === runId)?.state, { timeout: 10_000 }).toBe(state);
}

describe('the run store', () => {
  // First of all, before this file has stored anything.
  it('says so when the room is used up, and loses nothing', async () => {
    const { usage = 0 } = await navigator.storage.estimate();
    const session = cdp() as unknown as { send(method: string, parameters: object): Promise<unknown> };
    try {
      await session.send('Storage.overrideQuotaForOrigin', { origin: location.origin, quotaSize: usage + 2_000_000 });
      // Chromium remembers for half a minute how much room there was, where another file's tests have stored something.
      if (usage > 0) await new Promise((resolve) => setTimeout(resolve, 35_000));
      const store = await openTab();
      await store.put(runningRun('a'), { checkpoint: checkpointAt(1) });
      expect(await sentenceOf(store.put(runningRun('a', { state: 'paused' }), { checkpoint: { ...checkpointAt(2), weights: floats(4_000_000, 1) } })))
        .toBe('The browser has no room left for this page, so the run “a” was not stored; delete runs that are no longer needed.');
      expect((await store.get('a'))!.state).toBe('running');
      expect(await store.checkpoint('a')).toEqual(checkpointAt(1));
      await store.put(runningRun('a', { state: 'paused' }), { checkpoint: checkpointAt(2) });
      expect(await store.checkpoint('a')).toEqual(checkpointAt(2));
    } finally {
      await session.send('Storage.overrideQuotaForOrigin', { origin: location.origin });
    }
  });

  it('keeps everything over re-opening, and a file takes a run to an empty store', async () => {
    const first = await openTab();
    const running = runningRun('b', { bestWeightsHash: bestOf(2).hash });
    await first.put(finishedRun(), { bestWeights: bestOf(2) });
    await first.put(running, { bestWeights: bestOf(2), checkpoint: checkpointAt(15), corpus: { description: { tokens: 7 }, content: new Uint8Array([1, 2, 3]).buffer } });
    await first.close();
    const second = await openTab();
    expect(await second.get('run-1')).toEqual(finishedRun());
    expect(await second.get('b')).toEqual({ ...running, state: 'interrupted' });
    expect((await second.bestWeights('b'))!.tensors).toEqual(tensorsOf(2));
    expect(await second.checkpoint('b')).toEqual(checkpointAt(15));
    expect(new Uint8Array((await second.corpus('f00dcafe'))!.content)).toEqual(new Uint8Array([1, 2, 3]));

    const file = await exportRun({ record: (await second.get('run-1'))!, tensors: (await second.bestWeights('run-1'))!.tensors });
    await second.deleteEverything();
    expect((await second.storageUse()).bytes).toBe(0);
    const { record, tensors } = await importRun(file, 'x.zip');
    await second.add(record, { bestWeights: { hash: record.bestWeightsHash!, tensors: tensors! } });
    expect(await second.get('run-1')).toEqual(finishedRun());
    expect(await second.bestWeights('run-1')).toEqual({ hash: bestOf(2).hash, tensors: tensorsOf(2) });
    expect((await second.storageUse()).availableBytes).toBeGreaterThan(0);
  });

  it('sees a run of another tab go on until that tab is killed', async () => {
    const here = await openTab();
    const { worker, said } = otherTab(`await store.put(fixture.runningRun('a'), { checkpoint: fixture.checkpointAt(4) }); say('running');`);
    await said('running');
    expect((await here.list())[0].state).toBe('running');
    expect((await (await openTab()).list())[0].state).toBe('running');
    expect(await sentenceOf(here.put(runningRun('a')))).toBe('The run “a” goes on in another tab; stop it there first.');
    expect(await sentenceOf(here.deleteEverything())).toBe('Stop the run “a” before deleting everything.');
    await here.rename('a', 'Named here');
    worker.terminate();
    await becomes(here, 'a', 'interrupted');
    expect(await here.checkpoint('a')).toEqual(checkpointAt(4));
    await here.put(runningRun('a'));
    expect(await here.get('a')).toMatchObject({ state: 'running', name: 'Named here' });
  });

  it('killed in the middle of a put holds one version or the other, never a mixture', async () => {
    const NUM_VALUES = 500_000;
    const here = await openTab();
    const seen = new Set<number>();
    // In times of one put: some kills fall into the second put, some after it, however fast the disk is.
    for (const [round, puts] of [0.1, 0.5, 1.5, 5].entries()) {
      const runId = `run-${round}`;
      const { worker, said } = otherTab(`
        const filled = (step) => ({ ...fixture.checkpointAt(step, 1), ...Object.fromEntries(['weights', 'bestWeights'].map((part) => [part, new Float32Array(${NUM_VALUES}).fill(step)])),
          moments: { first: new Float32Array(${NUM_VALUES}).fill(step), second: new Float32Array(${NUM_VALUES}).fill(step) } });
        const version = (step) => store.put(fixture.runningRun('${runId}', { cost: { tokens: step, flops: 0, seconds: 0, peakGpuBytes: 0 } }), { checkpoint: filled(step) });
        say('storing');
        await version(1);
        say('stored');
        for (let step = 2; ; step++) await version(step);`);
      await said('storing');
      const started = performance.now();
      await said('stored');
      await sleep(puts * (performance.now() - started));
      worker.terminate();
      await becomes(here, runId, 'interrupted');
      const step = (await here.get(runId))!.cost.tokens;
      const checkpoint = (await here.checkpoint(runId))!;
      expect(checkpoint.step).toBe(step);
      for (const values of [checkpoint.weights, checkpoint.moments.first, checkpoint.moments.second, checkpoint.bestWeights]) {
        expect([values.length, values[0], values.at(-1)]).toEqual([NUM_VALUES, step, step]);
      }
      seen.add(step);
      await here.delete(runId);
    }
    // Otherwise no put was ever interrupted after the first.
    expect(Math.max(...seen)).toBeGreaterThan(1);
  });

  it('makes way for a newer version of the page, and says so in the older tab', async () => {
    const older = await openTab();
    await older.put(finishedRun(), { bestWeights: bestOf(2) });
    const newer = await openDB(name, 99);
    expect(await sentenceOf(older.list())).toBe('The stored runs are in use by a newer version of this page in another tab; reload this tab.');
    newer.close();
    expect(await sentenceOf(openTab())).toBe('The stored runs were written by a newer version of this page; reload it.');
  });
});
