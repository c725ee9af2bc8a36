// Large values in the database, each beside its facts, so that sizes are known without reading them.
import type { BlobFacts, BlobKey, WriteTransaction } from './runDatabase.ts';

export async function putBlob(transaction: WriteTransaction, key: BlobKey, value: unknown, facts: BlobFacts): Promise<void> {
  await transaction.objectStore('blobs').put(value, key);
  await transaction.objectStore('blobFacts').put(facts, key);
}

export async function deleteBlobs(transaction: WriteTransaction, keys: IDBKeyRange): Promise<void> {
  await transaction.objectStore('blobs').delete(keys);
  await transaction.objectStore('blobFacts').delete(keys);
}

/** The keys of a run's parts whose names begin with `prefix`; of all its parts without one. */
export function partsOfRun(runId: string, prefix = ''): IDBKeyRange {
  return IDBKeyRange.bound(['run', runId, prefix], ['run', runId, `${prefix}\uffff`]);
}
