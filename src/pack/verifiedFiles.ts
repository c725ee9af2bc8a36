// One reading of some of a pack's files: each is obtained and verified when the reader comes to it, with progress over all of them.
import { UserError } from '../core/invariant.ts';
import type { PackManifest } from './manifest.ts';
import type { PackCache } from './packCache.ts';
import type { PackFiles } from './packFiles.ts';
import { createPackStore } from './packStore.ts';

/** Progress over the files of one reading: `bytesLoaded` of `bytesTotal` bytes are verified, `file` is the one being read. */
export interface PackProgress {
  readonly file: string;
  readonly bytesLoaded: number;
  readonly bytesTotal: number;
  readonly fromCache: boolean;
}

export interface ReadPackOptions {
  readonly onProgress?: (progress: PackProgress) => void;
  /** Aborting rejects with the signal's reason; verified files stay cached, so that the next try goes on from there. */
  readonly signal?: AbortSignal;
}

/** Where an opened pack's files come from. */
export interface PackOrigin {
  readonly files: PackFiles;
  /** Absent where files need no caching (dropped) or none can be had. */
  readonly cache?: PackCache;
  readonly manifest: PackManifest;
}

export interface VerifiedReading<T> {
  readonly contents: T;
  /** Bytes downloaded for it; 0 when all was cached or dropped. */
  readonly downloadedBytes: number;
  /** A sentence when the cache does not work. */
  readonly cacheWarning?: string;
}

/**
 * @param names files the manifest lists
 * @param read obtains any of them, once each, and checks what they hold
 * @throws UserError one sentence naming the file; what `read` throws; the signal's reason
 */
export async function readVerifiedFiles<Name extends string, T>(
  { files, cache, manifest }: PackOrigin, names: readonly Name[], { onProgress, signal }: ReadPackOptions, read: (obtain: (name: Name) => Promise<Blob>) => Promise<T>,
): Promise<VerifiedReading<T>> {
  const store = createPackStore(files, cache);
  const bytesTotal = names.reduce((sum, name) => sum + manifest.files.get(name)!.bytes, 0);
  const report = progressReporter(bytesTotal, onProgress);
  let obtained = 0;
  let obtaining = false;
  const obtain = async (name: Name): Promise<Blob> => {
    const expected = manifest.files.get(name)!;
    obtaining = true;
    const blob = await store.obtain(name, expected, { onBytes: (count, fromCache) => report(name, obtained + count, fromCache), signal });
    obtaining = false;
    obtained += expected.bytes;
    return blob;
  };
  try {
    const contents = await read(obtain);
    return { contents, downloadedBytes: store.downloadedBytes(), cacheWarning: store.cacheWarning() };
  } catch (error) {
    // A broken connection leaves the files before it for the next try; files that are wrong in themselves leave nothing.
    if (error instanceof UserError && !obtaining) await store.forgetStored();
    throw error;
  }
}

type ReportBytes = (file: string, bytesLoaded: number, fromCache: boolean) => void;

/** Passes on the first and last report of each file and otherwise one per 1/256 of the whole, whatever the size of the chunks. */
function progressReporter(bytesTotal: number, onProgress?: (progress: PackProgress) => void): ReportBytes {
  let reportedFile = '';
  let reportedBytes = 0;
  return (file, bytesLoaded, fromCache) => {
    if (file === reportedFile && bytesLoaded < bytesTotal && Math.abs(bytesLoaded - reportedBytes) < bytesTotal / 256) return;
    reportedFile = file;
    reportedBytes = bytesLoaded;
    onProgress?.({ file, bytesLoaded, bytesTotal, fromCache });
  };
}
