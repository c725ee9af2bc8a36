// How bytes of a file get into memory. A browser reads any File through its blob machinery, in another process; whoever knows a shorter way to a file's bytes
// (pack/directReading.ts) says so here, and everything that reads from that File takes it.

/** Fills `target` with the file's bytes from `start` on. Rejects when the file can no longer be read. */
export type ReadBytes = (start: number, target: Uint8Array) => Promise<void>;

const shorterWays = new WeakMap<Blob, ReadBytes>();

export function offerReading(file: Blob, read: ReadBytes): void {
  shorterWays.set(file, read);
}

/** The shortest way known to a file's bytes. */
export const readingOf = (file: Blob): ReadBytes => shorterWays.get(file) ?? blobReading(file);

/** The browser's own way. */
export const blobReading = (file: Blob): ReadBytes => async (start, target) =>
  target.set(new Uint8Array(await file.slice(start, start + target.length).arrayBuffer()));
