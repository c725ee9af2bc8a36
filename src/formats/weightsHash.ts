// A short fingerprint of a model's weights, so that every figure can say which weights it was computed with.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { HostTensors } from '../core/tensor.ts';

/** First 16 hex digits of the SHA-256 over, in sorted order of names: name, a line feed, the shape as JSON, a line feed, the float32 bytes (little endian). */
export function weightsHash(tensors: HostTensors): string {
  const hash = sha256.create();
  const text = new TextEncoder();
  for (const name of [...tensors.keys()].sort()) {
    const { shape, data } = tensors.get(name)!;
    hash.update(text.encode(`${name}\n${JSON.stringify(shape)}\n`));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return bytesToHex(hash.digest()).slice(0, 16);
}
