// Measured kernel choices, kept in this browser per adapter, so that a second visit measures nothing that the first one did. They are only ever an advantage:
// where the browser keeps nothing, or what it kept is no longer true of the adapter, kernels are measured anew (kernels/kernelChoices.ts).
import { openDB, type IDBPDatabase } from 'idb';
import type { Gpu } from '../gpu/device.ts';
import { allChoices, rememberChoice } from '../kernels/kernelChoices.ts';

const DATABASE = 'studio.kernels';
const STORE = 'choices';
/** Raised when kernels change so much that old measurements say nothing of them. */
const VERSION = 1;

/** A browser's update may bring another shader compiler, so it counts to what was measured. */
const keyOf = (gpu: Gpu): string => JSON.stringify([gpu.adapter.name, gpu.adapter.features, [...gpu.without], navigator.userAgent]);

async function withDatabase<T>(body: (database: IDBPDatabase) => Promise<T>): Promise<T | undefined> {
  try {
    const database = await openDB(DATABASE, VERSION, {
      upgrade: (upgraded) => {
        if (upgraded.objectStoreNames.contains(STORE)) upgraded.deleteObjectStore(STORE);
        upgraded.createObjectStore(STORE);
      },
    });
    try {
      return await body(database);
    } finally {
      database.close();
    }
  } catch (error) {
    console.warn('Kernel choices could not be kept or read:', error);
    return undefined;
  }
}

export async function recallChoices(gpu: Gpu): Promise<void> {
  const kept: unknown = await withDatabase((database) => database.get(STORE, keyOf(gpu)));
  if (!Array.isArray(kept)) return;
  for (const entry of kept) {
    if (Array.isArray(entry) && typeof entry[0] === 'string' && typeof entry[1] === 'string') rememberChoice(gpu, entry[0], entry[1]);
  }
}

export async function keepChoices(gpu: Gpu): Promise<void> {
  const choices = allChoices(gpu);
  if (choices.length > 0) await withDatabase((database) => database.put(STORE, choices, keyOf(gpu)));
}
