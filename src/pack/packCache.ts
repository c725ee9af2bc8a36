// Verified pack files in the origin private file system, under their SHA-256: packs/<sha256>, written as packs/<sha256>.part and renamed when
// complete, so that a tab killed in mid-write leaves nothing that could be taken for a file. Manifests lie beside them under the hash of their
// address. Every failure of the storage itself is a CacheError: the caller then goes on in memory.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { offerReading } from '../formats/byteReading.ts';
import { closeDirectFiles, directReading, type OpfsFileHandle } from './directReading.ts';

/** The browser's storage failed or is missing; the message completes "..., so the pack is kept in memory". */
export class CacheError extends Error {
  override name = 'CacheError';
}

export interface CacheWriter {
  /** @throws CacheError e.g. when the quota is used up */
  write(chunk: Uint8Array): Promise<void>;
  /** Makes what was written findable. @throws CacheError */
  commit(): Promise<File>;
  /** Removes what was written. Never throws. */
  discard(): Promise<void>;
}

export interface PackCache {
  /** The file stored under `hash` if it has `bytes` bytes; its content is the caller's to verify. */
  find(hash: string, bytes: number): Promise<File | undefined>;
  /** @throws CacheError when there is no room, or another tab writes the same file */
  create(hash: string, bytes: number): Promise<CacheWriter>;
  remove(hash: string): Promise<void>;
  readManifest(url: string): Promise<string | undefined>;
  /** @throws CacheError */
  writeManifest(url: string, text: string): Promise<void>;
  removeManifest(url: string): Promise<void>;
}

const FOLDER = 'packs';
const manifestName = (url: string): string => `manifest-${bytesToHex(sha256(new TextEncoder().encode(url)))}.json`;

/** @throws CacheError where the browser offers no storage (old browser, private window, blocked site data) */
export async function openPackCache(): Promise<PackCache> {
  const folder = await storageCall('This browser stores no files for this page', async () => {
    const root = await navigator.storage.getDirectory();
    return root.getDirectoryHandle(FOLDER, { create: true });
  });
  const read = async (name: string): Promise<File | undefined> => {
    try {
      return await fileOf(await folder.getFileHandle(name));
    } catch {
      return undefined;
    }
  };
  const remove = async (name: string): Promise<void> => {
    await closeDirectFiles();
    await folder.removeEntry(name).catch(() => undefined);
  };

  const createNamed = async (name: string): Promise<CacheWriter> => {
    const part = `${name}.part`;
    return storageCall('The browser could not store the pack', async () => {
      const handle: OpfsFileHandle = await folder.getFileHandle(part, { create: true });
      const sink = await openSink(handle);
      return {
        write: (chunk) => storageCall('The browser ran out of room for this page', () => sink.write(chunk)),
        commit: () => storageCall('The browser could not store the pack', async () => {
          await sink.close();
          if (!handle.move) throw new Error('files cannot be renamed');
          await remove(name);
          await handle.move(name);
          return fileOf(handle);
        }),
        async discard() {
          await sink.close().catch(() => undefined);
          await remove(part);
        },
      };
    });
  };

  return {
    async find(hash, bytes) {
      const file = await read(hash);
      return file?.size === bytes ? file : undefined;
    },
    async create(hash, bytes) {
      const { quota, usage } = await navigator.storage.estimate();
      if (quota !== undefined && usage !== undefined && quota - usage < bytes) throw new CacheError('The browser has no room left for this page');
      return createNamed(hash);
    },
    remove,
    readManifest: async (url) => (await read(manifestName(url)))?.text(),
    async writeManifest(url, text) {
      const writer = await createNamed(manifestName(url));
      try {
        await writer.write(new TextEncoder().encode(text));
        await writer.commit();
      } catch (error) {
        await writer.discard();
        throw error;
      }
    },
    removeManifest: (url) => remove(manifestName(url)),
  };
}

/** Removes every cached pack. A pack opened from the cache can no longer be read afterwards. @returns bytes freed; 0 where there is no storage */
export async function clearPackCache(): Promise<number> {
  try {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle(FOLDER);
    let bytes = 0;
    await closeDirectFiles();
    for await (const handle of folder.values()) if (handle.kind === 'file') bytes += (await (handle as FileSystemFileHandle).getFile()).size;
    await root.removeEntry(FOLDER, { recursive: true });
    return bytes;
  } catch {
    return 0;
  }
}

/** The file, and the shorter way to its bytes where there is one. */
async function fileOf(handle: OpfsFileHandle): Promise<File> {
  const file = await handle.getFile();
  const read = directReading(handle, file);
  if (read) offerReading(file, read);
  return file;
}

interface Sink {
  write(chunk: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Sync handles exist in workers only and in every browser with OPFS; elsewhere (tests on the page's thread) the async writer does. */
async function openSink(handle: OpfsFileHandle): Promise<Sink> {
  if (handle.createSyncAccessHandle) {
    const access = await handle.createSyncAccessHandle();
    access.truncate(0);
    let position = 0;
    return {
      async write(chunk) {
        const written = access.write(chunk, { at: position });
        position += written;
        if (written !== chunk.byteLength) throw new Error('the write was cut short');
      },
      async close() {
        try {
          access.flush();
        } finally {
          access.close();
        }
      },
    };
  }
  const writable = await handle.createWritable();
  return { write: (chunk) => writable.write(chunk as Uint8Array<ArrayBuffer>), close: () => writable.close() };
}

async function storageCall<T>(sentence: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw error instanceof CacheError ? error : new CacheError(sentence, { cause: error });
  }
}
