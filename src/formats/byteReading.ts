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

/**
 * The browser's own way, as a stream: what arrayBuffer() makes of each piece lies around until garbage is collected, several hundred megabytes at full speed (bench/LOG.md).
 * @throws Error from the returned function, when the file ends early
 */
export const blobReading = (file: Blob): ReadBytes => async (start, target) => {
  const reader = file.slice(start, start + target.length).stream().getReader();
  let at = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    target.set(next.value, at);
    at += next.value.length;
  }
  if (at < target.length) throw new Error(`the file ended ${target.length - at} bytes early`);
};
