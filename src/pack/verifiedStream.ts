// Reads a file of a pack to its end while checking it against the manifest: bytes are counted and hashed as they pass.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { UserError } from '../core/invariant.ts';
import type { ManifestFile } from './manifest.ts';

export interface ChunkHandlers {
  /** Takes each chunk in order; its rejection ends the reading and is passed on. */
  readonly sink?: (chunk: Uint8Array) => void | Promise<void>;
  readonly onBytes?: (bytesSoFar: number) => void;
  readonly signal?: AbortSignal;
}

/** A file is not the one the manifest lists: damaged on its way, or replaced since the manifest was written. */
export class MismatchedFileError extends UserError {}

/** @throws UserError one sentence naming the file when it is shorter, longer or other than the manifest says (MismatchedFileError), or stops in the middle */
export async function readVerified(stream: ReadableStream<Uint8Array>, name: string, expected: ManifestFile, { sink, onBytes, signal }: ChunkHandlers): Promise<void> {
  const hash = sha256.create();
  const reader = stream.getReader();
  let bytes = 0;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { done, value } = await readChunk(reader, name, bytes, expected.bytes, signal);
      if (done) break;
      bytes += value.byteLength;
      if (bytes > expected.bytes) throw new MismatchedFileError(`${name} is longer than the ${expected.bytes} bytes pack.json says.`);
      hash.update(value);
      await sink?.(value);
      onBytes?.(bytes);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
  if (bytes < expected.bytes) throw new MismatchedFileError(`${name} is truncated: it has ${bytes} bytes, but pack.json says ${expected.bytes}.`);
  const found = bytesToHex(hash.digest());
  if (found !== expected.sha256) {
    throw new MismatchedFileError(`${name} is damaged: its SHA-256 is ${found.slice(0, 12)}..., but pack.json says ${expected.sha256.slice(0, 12)}....`);
  }
}

async function readChunk(
  reader: ReadableStreamDefaultReader<Uint8Array>, name: string, bytes: number, total: number, signal?: AbortSignal,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    return await reader.read();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new UserError(`Reading ${name} stopped after ${bytes} of ${total} bytes: the connection broke or the file was removed.`);
  }
}

/** The whole of a small stream as text. @throws UserError when it is longer than `maxBytes` */
export async function readText(stream: ReadableStream<Uint8Array>, name: string, maxBytes: number, signal?: AbortSignal): Promise<string> {
  const reader = stream.getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await readChunk(reader, name, bytes, maxBytes, signal);
      if (done) break;
      bytes += value.byteLength;
      if (bytes > maxBytes) throw new UserError(`${name} is longer than ${maxBytes} bytes, too long for what it should be.`);
      chunks.push(value as Uint8Array<ArrayBuffer>);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
  return new Blob(chunks).text();
}
