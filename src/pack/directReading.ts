// Files in the origin private file system, read through synchronous handles (workers only): plain reads at the disk's speed, where a File's slices go through another
// process (bench/LOG.md). A handle locks its file against being removed or renamed, so it is closed as soon as nobody has read for a moment, and before files are removed.
import { blobReading, type ReadBytes } from '../formats/byteReading.ts';

export interface SyncAccessHandle {
  read(target: Uint8Array, options: { at: number }): number;
  write(data: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}

/** What workers have beyond the types of the DOM library. */
export interface OpfsFileHandle extends FileSystemFileHandle {
  /** `mode`: handles that only read share a file. Browsers that do not know it lock the file for one. */
  createSyncAccessHandle?(options?: { readonly mode: 'read-only' }): Promise<SyncAccessHandle>;
  move?(name: string): Promise<void>;
}

/** Milliseconds without a read after which a handle is closed. */
const IDLE = 500;

const open = new Set<DirectFile>();

/** Closes all handles of this worker; who reads again opens again. */
export async function closeDirectFiles(): Promise<void> {
  await Promise.all([...open].map((file) => file.close()));
}

class DirectFile {
  private access?: Promise<SyncAccessHandle>;
  private idle?: ReturnType<typeof setTimeout>;

  constructor(private readonly openHandle: () => Promise<SyncAccessHandle>) {}

  /** @returns how many bytes were read */
  async read(start: number, target: Uint8Array): Promise<number> {
    clearTimeout(this.idle);
    open.add(this);
    this.access ??= this.openHandle();
    try {
      return (await this.access).read(target, { at: start });
    } finally {
      clearTimeout(this.idle);
      this.idle = setTimeout(() => void this.close(), IDLE);
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.idle);
    open.delete(this);
    const { access } = this;
    this.access = undefined;
    // One that could not be opened has nothing to close, and is tried again.
    await access?.then((opened) => opened.close(), () => undefined);
  }
}

/** Undefined on a page's own thread and in browsers without such handles. Where another tab has the file locked, the browser's own way is taken. */
export function directReading(handle: OpfsFileHandle, file: File): ReadBytes | undefined {
  const { createSyncAccessHandle } = handle;
  if (!createSyncAccessHandle) return undefined;
  const direct = new DirectFile(async () => {
    // Fails where the file was removed, which the next call would make anew.
    await handle.getFile();
    return createSyncAccessHandle.call(handle, { mode: 'read-only' });
  });
  const otherwise = blobReading(file);
  return async (start, target) => {
    const bytes = await direct.read(start, target).catch(() => 0);
    if (bytes !== target.length) await otherwise(start, target);
  };
}
