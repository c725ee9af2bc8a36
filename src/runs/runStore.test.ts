import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UserError } from '../core/invariant.ts';
import { bestOf, checkpointAt, finishedRun, runningRun, SharedLocks, tensorsOf } from './run.fixture.ts';
import { openRunStore, type RunStore, type StoredCorpus } from './runStore.ts';

let locks: SharedLocks;
beforeEach(() => {
  vi.stubGlobal('indexedDB', new IDBFactory());
  locks = new SharedLocks();
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const openTab = (): Promise<RunStore> => openRunStore({ locks });
const corpus = (byte: number): StoredCorpus => ({ description: { documents: [3, 5] }, content: new Uint8Array(1000).fill(byte).buffer });
const sentenceOf = (promise: Promise<unknown>): Promise<string> => promise.then(() => 'no failure', (error: unknown) => {
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
});

describe('what is put', () => {
  it('comes back the same from another connection: record, weights, checkpoint, text', async () => {
    const run = runningRun('a', { bestWeightsHash: bestOf(2).hash });
    await (await openTab()).put(run, { bestWeights: bestOf(2), checkpoint: checkpointAt(15), corpus: corpus(9) });
    const other = await openTab();
    expect(await other.get('a')).toEqual(run);
    expect(await other.bestWeights('a')).toEqual({ hash: bestOf(2).hash, tensors: tensorsOf(2) });
    expect(await other.checkpoint('a')).toEqual(checkpointAt(15));
    expect(await other.corpus('f00dcafe')).toEqual(corpus(9));
    expect(await other.get('b')).toBeUndefined();
    expect(await other.bestWeights('b')).toBeUndefined();
    expect(await other.checkpoint('b')).toBeUndefined();
  });

  it('leaves parts that are not given as they are, and replaces a checkpoint as a whole', async () => {
    const store = await openTab();
    const run = runningRun('a', { bestWeightsHash: bestOf(2).hash });
    await store.put(run, { bestWeights: bestOf(2), checkpoint: checkpointAt(0) });
    expect((await store.checkpoint('a'))!.stopping.bestLoss).toBe(Infinity);
    const { otherWeights: _teacher, ...lean } = checkpointAt(20);
    await store.put({ ...run, state: 'paused' }, { checkpoint: lean });
    expect(await store.checkpoint('a')).toEqual(lean);
    expect((await store.bestWeights('a'))!.tensors).toEqual(tensorsOf(2));
    await store.put({ ...run, state: 'finished' });
    expect(await store.checkpoint('a')).toBeUndefined();
    expect((await store.bestWeights('a'))!.tensors).toEqual(tensorsOf(2));
  });

  it('is all of it or nothing', async () => {
    const store = await openTab();
    const run = runningRun('a');
    await store.put(run, { checkpoint: checkpointAt(10) });
    const uncloneable = { ...checkpointAt(20), bestWeights: (() => 1) as unknown as Float32Array };
    await expect(store.put({ ...run, updatedAt: '2026-03-04T06:00:00.000Z' }, { checkpoint: uncloneable })).rejects.toThrow();
    expect(await store.get('a')).toEqual(run);
    expect(await store.checkpoint('a')).toEqual(checkpointAt(10));
    // A record whose weights were not given along.
    await expect(store.put({ ...run, bestWeightsHash: bestOf(2).hash })).rejects.toThrow('the best weights kept are those of the record of a');
    expect(await store.get('a')).toEqual(run);
  });

  it('is listed newest first, renamed for good, and added only once', async () => {
    const store = await openTab();
    await store.put(finishedRun({ runId: 'old', createdAt: '2026-01-01T00:00:00.000Z' }), { bestWeights: bestOf(2) });
    await store.put(finishedRun({ runId: 'new', createdAt: '2026-02-01T00:00:00.000Z' }), { bestWeights: bestOf(2) });
    expect((await store.list()).map(({ runId }) => runId)).toEqual(['new', 'old']);
    const other = await openTab();
    expect((await other.rename('old', '  The first one ')).name).toBe('The first one');
    // The tab that made it does not know the new name.
    expect((await store.put(finishedRun({ runId: 'old', name: 'Contracts' }))).name).toBe('The first one');
    expect((await store.get('old'))!.name).toBe('The first one');
    expect(await sentenceOf(store.rename('old', '  '))).toBe('The name of a run must have 1 to 200 characters.');
    expect(await sentenceOf(store.rename('gone', 'x'))).toBe('The run is not stored any more, so it was not renamed.');
    expect(await sentenceOf(store.add(finishedRun({ runId: 'old' }), { bestWeights: bestOf(2) }))).toBe('The run “The first one” is here already.');
  });
});

describe('deleting', () => {
  it('takes a run with all its parts, and its text with the last run of it', async () => {
    const store = await openTab();
    for (const runId of ['a', 'a.b', 'b']) await store.put(finishedRun({ runId }), { bestWeights: bestOf(2), corpus: corpus(1) });
    await store.put(runningRun('c', { state: 'failed', dataFingerprint: 'other' }), { checkpoint: checkpointAt(3), corpus: corpus(2) });
    const full = (await store.storageUse()).bytes;
    await store.delete('a');
    expect(await store.bestWeights('a')).toBeUndefined();
    expect((await store.bestWeights('a.b'))!.hash).toBe(bestOf(2).hash);
    expect(await store.corpus('f00dcafe')).toBeDefined();
    await store.delete('a.b');
    await store.delete('b');
    await store.delete('b');
    expect(await store.corpus('f00dcafe')).toBeUndefined();
    expect(await store.corpus('other')).toEqual(corpus(2));
    const { bytes } = await store.storageUse();
    expect(bytes).toBeLessThan(full - 3 * 4 * (48 + 60 + 6) - 1000);
    await store.delete('c');
    expect(await store.storageUse()).toMatchObject({ bytes: 0 });
  });

  it('lets go of a text when its only run turns to another', async () => {
    const store = await openTab();
    await store.put(runningRun('a'), { corpus: corpus(1) });
    await store.put(runningRun('a', { dataFingerprint: 'other' }), { corpus: corpus(2) });
    expect(await store.corpus('f00dcafe')).toBeUndefined();
    expect(await store.corpus('other')).toEqual(corpus(2));
  });

  it('everything leaves nothing', async () => {
    const store = await openTab();
    await store.put(runningRun('a'), { checkpoint: checkpointAt(3), corpus: corpus(1) });
    expect(await sentenceOf(store.deleteEverything())).toBe('Stop the run “a” before deleting everything.');
    expect(await sentenceOf((await openTab()).deleteEverything())).toBe('Stop the run “a” before deleting everything.');
    await store.put(runningRun('a', { state: 'failed' }));
    await store.deleteEverything();
    expect(await store.list()).toEqual([]);
    expect(await store.storageUse()).toMatchObject({ bytes: 0 });
  });

  it('counts bytes as they are', async () => {
    const store = await openTab();
    const run = runningRun('a');
    await store.put(run, { corpus: corpus(1) });
    expect((await store.storageUse()).bytes).toBe(JSON.stringify(run).length + 1000 + JSON.stringify({ documents: [3, 5] }).length);
  });
});

describe('a run that goes on', () => {
  it('in another tab is neither interrupted, nor put, nor deleted, until it ends there', async () => {
    const first = await openTab();
    await first.put(runningRun('a'));
    const second = await openTab();
    expect((await second.list())[0].state).toBe('running');
    expect(await sentenceOf(second.put(runningRun('a')))).toBe('The run “a” goes on in another tab; stop it there first.');
    expect(await sentenceOf(second.delete('a'))).toBe('The run “a” goes on in another tab; stop it there first.');
    expect(await sentenceOf(first.delete('a'))).toBe('Stop the run “a” before deleting it.');
    await first.put(runningRun('a', { state: 'paused' }));
    expect((await second.list())[0].state).toBe('paused');
    await first.put(runningRun('a', { state: 'failed', error: 'The loss is not a finite number.' }));
    await second.delete('a');
    expect(await first.list()).toEqual([]);
  });

  it('is interrupted once its tab is gone, and can be taken up by another with its checkpoint', async () => {
    const first = await openTab();
    await first.put(runningRun('a'), { checkpoint: checkpointAt(7) });
    await first.put(runningRun('b', { state: 'paused' }));
    await first.put(runningRun('c', { state: 'failed' }));
    const second = await openTab();
    await first.close();
    expect(Object.fromEntries((await second.list()).map(({ runId, state }) => [runId, state]))).toEqual({ a: 'interrupted', b: 'interrupted', c: 'failed' });
    expect(await second.checkpoint('a')).toEqual(checkpointAt(7));
    await second.put(runningRun('a'));
    expect((await (await openTab()).get('a'))!.state).toBe('running');
    expect(await sentenceOf(first.list())).toBe('The stored runs were closed.');
  });

  it('found at opening after the whole browser was closed is interrupted', async () => {
    await (await openTab()).put(runningRun('a'));
    locks.breakAll();
    expect((await (await openTab()).get('a'))!.state).toBe('interrupted');
  });

  it('stays this tab\'s when a put of it fails, and is no tab\'s when its first put fails', async () => {
    const first = await openTab();
    const second = await openTab();
    const bad = { bestWeightsHash: bestOf(1).hash };
    await expect(first.put(runningRun('a', bad))).rejects.toThrow();
    await second.put(runningRun('a'));
    await expect(second.put(runningRun('a', { ...bad, state: 'failed' }))).rejects.toThrow();
    expect((await first.list())[0].state).toBe('running');
  });

  it('is put by two calls at once without the second being taken for another tab', async () => {
    const store = await openTab();
    await Promise.all([store.put(runningRun('a')), store.put(runningRun('a', { state: 'paused' }))]);
    expect((await store.get('a'))!.state).toBe('paused');
  });
});

describe('storage that fails', () => {
  it('for want of room is one sentence, and what was stored stays', async () => {
    const store = await openTab();
    await store.put(runningRun('a'), { checkpoint: checkpointAt(1) });
    const realPut = IDBObjectStore.prototype.put;
    let puts = 0;
    const put = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore, ...given: Parameters<typeof realPut>) {
      if (++puts > 4) throw new DOMException('full', 'QuotaExceededError');
      return realPut.apply(this, given);
    });
    expect(await sentenceOf(store.put(runningRun('a', { state: 'paused' }), { checkpoint: checkpointAt(2) })))
      .toBe('The browser has no room left for this page, so the run “a” was not stored; delete runs that are no longer needed.');
    expect(puts).toBe(5);
    put.mockRestore();
    expect((await store.get('a'))!.state).toBe('running');
    expect(await store.checkpoint('a')).toEqual(checkpointAt(1));
  });

  it('at opening is one sentence', async () => {
    vi.stubGlobal('indexedDB', { open: () => { throw new DOMException('The operation is insecure.', 'SecurityError'); } });
    expect(await sentenceOf(openTab())).toBe('This browser keeps no runs for this page (a private window, or site data are blocked): The operation is insecure.');
    vi.stubGlobal('indexedDB', undefined);
    expect(await sentenceOf(openTab())).toMatch(/^This browser keeps no runs for this page/);
    vi.stubGlobal('navigator', {});
    expect(await sentenceOf(openRunStore())).toContain('it has no Web Locks');
  });

  it('does not wait for ever for a tab that holds on to the database', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      // Opening queues behind a deletion that a connection deaf to `versionchange` keeps waiting.
      const stubborn = await new Promise<IDBDatabase>((resolve) => {
        const request = indexedDB.open('projected-network-studio-runs', 1);
        request.onsuccess = () => resolve(request.result);
      });
      const deleting = indexedDB.deleteDatabase('projected-network-studio-runs');
      await new Promise((resolve) => { deleting.onblocked = resolve; });
      const sentence = sentenceOf(openTab());
      await vi.advanceTimersByTimeAsync(10_000);
      expect(await sentence).toBe('The stored runs are held by another tab with an older version of this page; close that tab and reload this one.');
      stubborn.close();
    } finally {
      vi.useRealTimers();
    }
  });
});
