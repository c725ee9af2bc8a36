// The IndexedDB database of the runs: its layout, opening it, and transactions whose every failure is one sentence. Nothing of a transaction that fails, or
// whose tab is killed, is stored.
import { openDB, type DBSchema, type IDBPDatabase, type IDBPTransaction } from 'idb';
import type { RunRecord } from '../config/runRecord.ts';
import { messageOf, UserError } from '../core/invariant.ts';

const VERSION = 1;
/** Opening waits for other tabs to let go of an older version; one that writes may do so late, but longer than this it does not mean to. */
const OPENING_MILLISECONDS = 10_000;

/** ["run", runId, part] or ["corpus", fingerprint]. */
export type BlobKey = ['run', string, string] | ['corpus', string];

/** What can be known of a large value without reading it. */
export interface BlobFacts {
  readonly bytes: number;
  /** Of weights: formats/weightsHash.ts. */
  readonly hash?: string;
}

export interface RunSchema extends DBSchema {
  records: { key: string; value: RunRecord; indexes: { byFingerprint: string } };
  blobs: { key: BlobKey; value: unknown };
  /** The same keys as blobs. */
  blobFacts: { key: BlobKey; value: BlobFacts };
}

type StoreName = 'records' | 'blobs' | 'blobFacts';
const STORES: StoreName[] = ['records', 'blobs', 'blobFacts'];
export type ReadTransaction = IDBPTransaction<RunSchema, StoreName[], 'readonly'>;
export type WriteTransaction = IDBPTransaction<RunSchema, StoreName[], 'readwrite'>;

export class RunDatabase {
  private connection: Promise<IDBPDatabase<RunSchema>> | undefined;
  /** Why it may not be opened again. */
  private closedBecause: string | undefined;

  private constructor(private readonly name: string) {}

  /** @throws UserError where the browser keeps no data for this page, or another version of the page is in the way */
  static async open(name: string): Promise<RunDatabase> {
    const database = new RunDatabase(name);
    await database.connect();
    return database;
  }

  /** @param what completes "The browser could not read ..." */
  async read<T>(what: string, body: (transaction: ReadTransaction) => Promise<T>): Promise<T> {
    const connection = await this.connect();
    try {
      return await body(connection.transaction(STORES, 'readonly'));
    } catch (error) {
      throw asSentence(error, 'read', what);
    }
  }

  /** All of what `body` writes, or nothing. @param what completes "The browser could not store ..." */
  async write<T>(what: string, body: (transaction: WriteTransaction) => Promise<T>): Promise<T> {
    const connection = await this.connect();
    let transaction: WriteTransaction | undefined;
    try {
      transaction = connection.transaction(STORES, 'readwrite', { durability: 'strict' });
      const done = transaction.done;
      // Handled below; where `body` fails first, this must not count as unhandled.
      done.catch(() => undefined);
      const result = await body(transaction);
      await done;
      return result;
    } catch (error) {
      await abort(transaction);
      // A request of an aborted transaction only says that it was aborted; the transaction says why.
      throw asSentence(transaction?.error ?? error, 'store', what);
    }
  }

  close(): void {
    this.closeFor('The stored runs were closed.');
  }

  private async connect(): Promise<IDBPDatabase<RunSchema>> {
    if (this.closedBecause) throw new UserError(this.closedBecause);
    this.connection ??= openConnection(this.name, {
      replaced: () => this.closeFor('The stored runs are in use by a newer version of this page in another tab; reload this tab.'),
      // The browser closed it (site data were cleared, say): the next call opens it again.
      terminated: () => {
        this.connection = undefined;
      },
    });
    try {
      return await this.connection;
    } catch (error) {
      this.connection = undefined;
      throw error;
    }
  }

  private closeFor(reason: string): void {
    this.closedBecause = reason;
    this.connection?.then((connection) => connection.close(), () => undefined);
    this.connection = undefined;
  }
}

async function openConnection(name: string, events: { replaced: () => void; terminated: () => void }): Promise<IDBPDatabase<RunSchema>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const opening = openDB<RunSchema>(name, VERSION, {
      upgrade(database) {
        database.createObjectStore('records', { keyPath: 'runId' }).createIndex('byFingerprint', 'dataFingerprint');
        database.createObjectStore('blobs');
        database.createObjectStore('blobFacts');
      },
      blocking: events.replaced,
      terminated: events.terminated,
    });
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new UserError('The stored runs are held by another tab with an older version of this page; close that tab and reload this one.'));
        // Should it open after all, nobody waits for it any more.
        opening.then((connection) => connection.close(), () => undefined);
      }, OPENING_MILLISECONDS);
    });
    return await Promise.race([opening, late]);
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (nameOf(error) === 'VersionError') throw new UserError('The stored runs were written by a newer version of this page; reload it.');
    throw new UserError(`This browser keeps no runs for this page (a private window, or site data are blocked): ${plainReason(error)}.`);
  } finally {
    clearTimeout(timer);
  }
}

async function abort(transaction: WriteTransaction | undefined): Promise<void> {
  try {
    transaction?.abort();
  } catch {
    // It is over already.
  }
  await transaction?.done.catch(() => undefined);
}

function asSentence(error: unknown, verb: 'read' | 'store', what: string): unknown {
  if (error instanceof UserError) return error;
  // Ours to mend, and best seen as it is.
  if (!(error instanceof DOMException)) return error;
  if (nameOf(error) === 'QuotaExceededError') return new UserError(`The browser has no room left for this page, so ${what} was not stored; delete runs that are no longer needed.`);
  return new UserError(`The browser could not ${verb} ${what}: ${plainReason(error)}.`);
}

const nameOf = (error: unknown): string => (error instanceof Error || error instanceof DOMException ? error.name : '');

const plainReason = (error: unknown): string => messageOf(error).replace(/\.\s*$/, '') || nameOf(error);
