// Obtains verified files of a pack one by one: from a dropped folder, from the cache, or from the server into the cache (into memory where the
// cache fails). Whatever the way, a file is handed out only after its size and SHA-256 were checked in this visit.
import { messageOf, UserError } from '../core/invariant.ts';
import { CacheError, type CacheWriter, type PackCache } from './packCache.ts';
import type { ManifestFile } from './manifest.ts';
import type { PackFiles } from './packFiles.ts';
import { readVerified } from './verifiedStream.ts';

export interface ObtainOptions {
  /** Bytes of this file seen so far; falls back when a cached copy proves damaged and is downloaded again. */
  readonly onBytes: (bytesSoFar: number, fromCache: boolean) => void;
  readonly signal?: AbortSignal;
}

export interface PackStore {
  /** @throws UserError one sentence naming the file */
  obtain(name: string, expected: ManifestFile, options: ObtainOptions): Promise<Blob>;
  /** Bytes downloaded so far. */
  downloadedBytes(): number;
  /** Why files are not being cached, once that is so. */
  cacheWarning(): string | undefined;
  /** Removes from the cache what this store put there: for a pack that proved unusable although its hashes are right. */
  forgetStored(): Promise<void>;
}

/** @param cache absent where files need no caching (dropped) or none can be had */
export function createPackStore(files: PackFiles, cache: PackCache | undefined): PackStore {
  let downloaded = 0;
  let cacheFailure: CacheError | undefined;
  const stored: string[] = [];

  const download = async (name: string, expected: ManifestFile, sink: (chunk: Uint8Array) => void | Promise<void>, { onBytes, signal }: ObtainOptions): Promise<void> => {
    const counting = (chunk: Uint8Array): void | Promise<void> => {
      downloaded += chunk.byteLength;
      return sink(chunk);
    };
    await readVerified(await files.open(name, signal), name, expected, { sink: counting, onBytes: (bytes) => onBytes(bytes, false), signal });
  };

  const fromCache = async (name: string, expected: ManifestFile, { onBytes, signal }: ObtainOptions): Promise<File | undefined> => {
    const file = await cache?.find(expected.sha256, expected.bytes);
    if (!file) return undefined;
    try {
      await readVerified(file.stream(), name, expected, { onBytes: (bytes) => onBytes(bytes, true), signal });
      return file;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      await cache?.remove(expected.sha256);
      return undefined;
    }
  };

  const intoCache = async (name: string, expected: ManifestFile, options: ObtainOptions): Promise<File | undefined> => {
    if (!cache || cacheFailure) return undefined;
    let writer: CacheWriter | undefined;
    try {
      writer = await cache.create(expected.sha256, expected.bytes);
      await download(name, expected, writer.write, options);
      const file = await writer.commit();
      stored.push(expected.sha256);
      return file;
    } catch (error) {
      await writer?.discard();
      if (!(error instanceof CacheError)) throw error;
      cacheFailure = error;
      return undefined;
    }
  };

  return {
    async obtain(name, expected, options) {
      const local = files.local(name);
      if (local || !files.url) {
        await readVerified(await files.open(name), name, expected, { onBytes: (bytes) => options.onBytes(bytes, false), signal: options.signal });
        return local!;
      }
      const file = (await fromCache(name, expected, options)) ?? (await intoCache(name, expected, options));
      if (file) return file;
      const chunks: Uint8Array<ArrayBuffer>[] = [];
      await download(name, expected, (chunk) => void chunks.push(chunk as Uint8Array<ArrayBuffer>), options);
      return new Blob(chunks);
    },
    downloadedBytes: () => downloaded,
    cacheWarning: () => cacheFailure && `${messageOf(cacheFailure)}, so the pack is kept in memory and will be downloaded again on the next visit.`,
    async forgetStored() {
      for (const hash of stored.splice(0)) await cache?.remove(hash);
    },
  };
}
