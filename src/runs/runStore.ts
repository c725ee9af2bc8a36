// The runs kept in this browser: records, best weights, checkpoints, and the text they were trained on. A put stores all it was given or nothing. A run that
// goes on is locked by its tab (runLocks.ts); one that is found going on without a lock lost its tab and becomes `interrupted`.
import type { RunRecord } from '../config/runRecord.ts';
import { invariant, UserError } from '../core/invariant.ts';
import type { HostTensors } from '../core/tensor.ts';
import { deleteBlobs, partsOfRun, putBlob } from './runBlobs.ts';
import { deleteCheckpoint, readCheckpoint, writeCheckpoint, type RunCheckpoint } from './runCheckpoint.ts';
import { RunDatabase, type BlobKey, type WriteTransaction } from './runDatabase.ts';
import { RunLocks, type LockSource } from './runLocks.ts';
import { namedTensors, storedWeights, type StoredWeights } from './storedWeights.ts';

const DATABASE_NAME = 'projected-network-studio-runs';
const MAX_NAME_LENGTH = 200;

/** The user's text as the caller packs it; what it holds is not looked at here. */
export interface StoredCorpus {
  /** JSON. */
  readonly description: unknown;
  readonly content: ArrayBuffer;
}

export interface BestWeights {
  /** Of `tensors` (formats/weightsHash.ts): the record's bestWeightsHash. */
  readonly hash: string;
  readonly tensors: HostTensors;
}

/** What may be stored together with a record. Arrays must not change until the put is settled. */
export interface RunParts {
  readonly bestWeights?: BestWeights;
  readonly checkpoint?: RunCheckpoint;
  /** Kept once for all runs of the record's dataFingerprint, and deleted with the last of them. */
  readonly corpus?: StoredCorpus;
}

export interface StorageUse {
  readonly bytes: number;
  /** What this page may still store, where the browser tells. */
  readonly availableBytes?: number;
}

export interface RunStoreOptions {
  /** Name of the database; the studio's own unless a test says otherwise. */
  readonly name?: string;
  /** navigator.locks unless a test says otherwise. */
  readonly locks?: LockSource;
}

const isActive = ({ state }: RunRecord): boolean => state === 'running' || state === 'paused';
const bestKey = (runId: string): BlobKey => ['run', runId, 'best'];
const corpusKey = (fingerprint: string): BlobKey => ['corpus', fingerprint];
const titled = ({ name }: RunRecord): string => `the run “${name}”`;

/** @throws UserError where the browser keeps no data for this page, or another version of the page is in the way */
export async function openRunStore({ name = DATABASE_NAME, locks = globalThis.navigator?.locks }: RunStoreOptions = {}): Promise<RunStore> {
  if (!locks) throw new UserError('This browser cannot tell which runs other tabs are at (it has no Web Locks), so no runs are kept.');
  const store = new RunStore(await RunDatabase.open(name), new RunLocks(locks, name));
  await store.markInterrupted();
  return store;
}

/** Every method throws UserError where the browser's storage fails; what was stored before stays. */
export class RunStore {
  constructor(private readonly database: RunDatabase, private readonly locks: RunLocks) {}

  /** All runs, the newest first. */
  async list(): Promise<RunRecord[]> {
    await this.markInterrupted();
    const records = await this.records();
    return records.sort((a, b) => b.createdAt.localeCompare(a.createdAt) || a.runId.localeCompare(b.runId));
  }

  get(runId: string): Promise<RunRecord | undefined> {
    return this.database.read('a run', (transaction) => transaction.objectStore('records').get(runId));
  }

  bestWeights(runId: string): Promise<BestWeights | undefined> {
    return this.database.read('the weights of a run', async (transaction) => {
      const facts = await transaction.objectStore('blobFacts').get(bestKey(runId));
      const stored = await transaction.objectStore('blobs').get(bestKey(runId)) as StoredWeights | undefined;
      return stored && facts?.hash !== undefined ? { hash: facts.hash, tensors: namedTensors(stored) } : undefined;
    });
  }

  checkpoint(runId: string): Promise<RunCheckpoint | undefined> {
    return this.database.read('the checkpoint of a run', (transaction) => readCheckpoint(transaction, runId));
  }

  corpus(fingerprint: string): Promise<StoredCorpus | undefined> {
    return this.database.read('the text of a run', async (transaction) => await transaction.objectStore('blobs').get(corpusKey(fingerprint)) as StoredCorpus | undefined);
  }

  /**
   * Stores a new version of a run, all of it or nothing; parts that are not given stay as they are. A running or paused run is this tab's until it is put
   * otherwise. A finished run keeps no checkpoint. The name of a stored run is changed by rename alone.
   * @returns the record as stored
   * @throws UserError also when the run goes on in another tab
   */
  put(record: RunRecord, parts: RunParts = {}): Promise<RunRecord> {
    return this.locked(record, isActive(record), () => this.write(record, parts));
  }

  /** As put, for a run that must not be there yet (an imported one). @throws UserError when it is */
  add(record: RunRecord, parts: RunParts = {}): Promise<RunRecord> {
    return this.locked(record, isActive(record), () => this.write(record, parts, { mustBeNew: true }));
  }

  /** @throws UserError when the name is blank or too long, or there is no such run */
  async rename(runId: string, name: string): Promise<RunRecord> {
    const trimmed = name.trim();
    if (trimmed === '' || trimmed.length > MAX_NAME_LENGTH) throw new UserError(`The name of a run must have 1 to ${MAX_NAME_LENGTH} characters.`);
    return this.database.write('the new name', async (transaction) => {
      const record = await transaction.objectStore('records').get(runId);
      if (!record) throw new UserError('The run is not stored any more, so it was not renamed.');
      const renamed = { ...record, name: trimmed };
      await transaction.objectStore('records').put(renamed);
      return renamed;
    });
  }

  /** Deletes a run with its parts, and its text with the last run of it; a run that is not there is no error. @throws UserError while it goes on */
  async delete(runId: string): Promise<void> {
    const record = await this.get(runId);
    if (!record) return;
    if (this.locks.isMine(runId)) throw new UserError(`Stop ${titled(record)} before deleting it.`);
    await this.locked(record, false, () => this.database.write(`the deletion of ${titled(record)}`, async (transaction) => {
      await transaction.objectStore('records').delete(runId);
      await deleteBlobs(transaction, partsOfRun(runId));
      await deleteUnusedCorpus(transaction, record.dataFingerprint);
    }));
  }

  /** @throws UserError while a run goes on, here or in another tab */
  async deleteEverything(): Promise<void> {
    await this.markInterrupted();
    const active = (await this.records()).find(isActive);
    if (active) throw new UserError(`Stop ${titled(active)} before deleting everything.`);
    await this.database.write('the deletion of all runs', async (transaction) => {
      for (const name of ['records', 'blobs', 'blobFacts'] as const) await transaction.objectStore(name).clear();
    });
  }

  /** Bytes of all that is stored here; records count as their JSON. */
  async storageUse(): Promise<StorageUse> {
    const bytes = await this.database.read('the sizes of the runs', async (transaction) => {
      const facts = await transaction.objectStore('blobFacts').getAll();
      const records = await transaction.objectStore('records').getAll();
      return facts.reduce((sum, { bytes: size }) => sum + size, 0) + records.reduce((sum, record) => sum + JSON.stringify(record).length, 0);
    });
    const { quota, usage } = (await globalThis.navigator?.storage?.estimate().catch(() => undefined)) ?? {};
    return quota === undefined || usage === undefined ? { bytes } : { bytes, availableBytes: Math.max(0, quota - usage) };
  }

  /** Marks what lost its tab. Called at opening and by list. */
  async markInterrupted(): Promise<void> {
    for (const record of (await this.records()).filter(isActive)) {
      if (this.locks.isMine(record.runId) || !(await this.locks.take(record.runId))) continue;
      try {
        await this.database.write(`the state of ${titled(record)}`, async (transaction) => {
          const records = transaction.objectStore('records');
          // It may have ended between the two transactions.
          const present = await records.get(record.runId);
          if (present && isActive(present)) await records.put({ ...present, state: 'interrupted' });
        });
      } finally {
        await this.locks.release(record.runId);
      }
    }
  }

  /** Lets go of database and locks: runs that go on here count as interrupted from now on. */
  async close(): Promise<void> {
    this.database.close();
    await this.locks.releaseAll();
  }

  private records(): Promise<RunRecord[]> {
    return this.database.read('the list of runs', (transaction) => transaction.objectStore('records').getAll());
  }

  /** `body` under the run's lock, which is kept afterwards if `keep`, and if `body` failed while it was held before. */
  private async locked<T>(record: RunRecord, keep: boolean, body: () => Promise<T>): Promise<T> {
    const wasMine = this.locks.isMine(record.runId);
    if (!(await this.locks.take(record.runId))) throw new UserError(`${capitalized(titled(record))} goes on in another tab; stop it there first.`);
    let succeeded = false;
    try {
      const result = await body();
      succeeded = true;
      return result;
    } finally {
      if (succeeded ? !keep : !wasMine) await this.locks.release(record.runId);
    }
  }

  private write(record: RunRecord, { bestWeights, checkpoint, corpus }: RunParts, { mustBeNew = false } = {}): Promise<RunRecord> {
    const { runId, dataFingerprint } = record;
    return this.database.write(titled(record), async (transaction) => {
      const records = transaction.objectStore('records');
      const former = await records.get(runId);
      if (former && mustBeNew) throw new UserError(`${capitalized(titled(former))} is here already.`);
      const stored = { ...record, name: former?.name ?? record.name };
      await records.put(stored);
      if (bestWeights) {
        const weights = storedWeights(bestWeights.tensors);
        await putBlob(transaction, bestKey(runId), weights, { bytes: weights.values.byteLength, hash: bestWeights.hash });
      }
      const kept = await transaction.objectStore('blobFacts').get(bestKey(runId));
      invariant(kept?.hash === record.bestWeightsHash, `the best weights kept are those of the record of ${runId}`);
      if (checkpoint || record.state === 'finished') await deleteCheckpoint(transaction, runId);
      if (checkpoint && record.state !== 'finished') await writeCheckpoint(transaction, runId, checkpoint);
      if (corpus && !(await transaction.objectStore('blobFacts').get(corpusKey(dataFingerprint)))) {
        await putBlob(transaction, corpusKey(dataFingerprint), corpus, { bytes: corpus.content.byteLength + JSON.stringify(corpus.description).length });
      }
      if (former && former.dataFingerprint !== dataFingerprint) await deleteUnusedCorpus(transaction, former.dataFingerprint);
      return stored;
    });
  }
}

async function deleteUnusedCorpus(transaction: WriteTransaction, fingerprint: string): Promise<void> {
  const users = await transaction.objectStore('records').index('byFingerprint').count(fingerprint);
  if (users === 0) await deleteBlobs(transaction, IDBKeyRange.only(corpusKey(fingerprint)));
}

const capitalized = (text: string): string => text[0].toUpperCase() + text.slice(1);
