// A file as the readers see it: a path and bytes that can be streamed more than once (the first pass finds the encoding, the second reads).
import { UserError } from '../core/invariant.ts';
import { isAbort, type Pace } from './pace.ts';

export type TextSource = { readonly path: string; readonly blob: Blob } | { readonly path: string; readonly text: string };

/** Told how many bytes of what the user gave (so: compressed bytes) were read since the last call. */
export type OnBytes = (bytes: number) => void;

export interface ByteFile {
  readonly path: string;
  open(onBytes?: OnBytes): ReadableStream<Uint8Array>;
}

export function blobOf(source: TextSource): Blob {
  return 'blob' in source ? source.blob : new Blob([source.text]);
}

/** A transform that reports the length of every chunk and passes it on; `report` may throw to end the stream. */
export function countingStream(report: (bytes: number) => void): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    transform(chunk, controller) {
      report(chunk.length);
      controller.enqueue(chunk);
    },
  });
}

export function blobFile(path: string, blob: Blob): ByteFile {
  return { path, open: (onBytes) => (onBytes ? blob.stream().pipeThrough(countingStream(onBytes) as ReadableWritablePair<Uint8Array, Uint8Array<ArrayBuffer>>) : blob.stream()) };
}

/**
 * The chunks of a file in order; the stream is cancelled when the caller stops early.
 * @throws UserError when the bytes cannot be read; AbortError on cancel
 */
export async function* readChunks(file: ByteFile, pace: Pace, onBytes?: OnBytes): AsyncGenerator<Uint8Array, void, void> {
  const reader = file.open(onBytes).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      await pace.breathe();
      if (value.length > 0) yield value;
    }
  } catch (error) {
    if (error instanceof UserError || isAbort(error)) throw error;
    throw new UserError(`${file.path} could not be read: it was moved, changed or is not allowed to be read.`);
  } finally {
    // A stream that already failed rejects the cancel with the failure just thrown.
    await reader.cancel().catch(() => undefined);
  }
}

/** The first `length` bytes of a file (fewer when it is shorter). */
export async function readHead(file: ByteFile, length: number, pace: Pace): Promise<Uint8Array> {
  const head = new Uint8Array(length);
  let filled = 0;
  for await (const chunk of readChunks(file, pace)) {
    const part = chunk.subarray(0, length - filled);
    head.set(part, filled);
    filled += part.length;
    if (filled === length) break;
  }
  return head.subarray(0, filled);
}

/** Files that systems leave behind and no user means to hand in. */
export function isSystemFile(path: string): boolean {
  return path.split('/').some((part) => (part.startsWith('.') && part !== '.' && part !== '..') || part === '__MACOSX' || /^(thumbs\.db|desktop\.ini)$/i.test(part));
}
