// Identity of a document's content: SHA-256 (first 128 bits) of its text in NFC with every run of white space as one space. A cryptographic hash costs
// little beside tokenization and never drops a document by accident.
import { sha256 } from '@noble/hashes/sha2.js';

/** Bytes kept of a hash. */
export const HASH_BYTES = 16;

export interface HashedText {
  /** UTF-8 bytes of the text as given. */
  readonly bytes: number;
  readonly hash: Uint8Array;
}

const isWhiteSpace = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);

export class ContentHasher {
  private readonly encoder = new TextEncoder();
  private buffer = new Uint8Array(1 << 16);

  /** @param text trimmed (see cleanText) */
  hash(text: string): HashedText {
    const normalized = text.normalize('NFC');
    const normalizedBytes = this.encode(normalized);
    const bytes = normalized === text ? normalizedBytes : this.encoder.encode(text).length;
    let end = 0;
    let wasWhiteSpace = false;
    for (let i = 0; i < normalizedBytes; i++) {
      const byte = this.buffer[i];
      const isSpace = isWhiteSpace(byte);
      if (!isSpace) this.buffer[end++] = byte;
      else if (!wasWhiteSpace) this.buffer[end++] = 0x20;
      wasWhiteSpace = isSpace;
    }
    return { bytes, hash: sha256(this.buffer.subarray(0, end)).slice(0, HASH_BYTES) };
  }

  private encode(text: string): number {
    // UTF-8 needs three bytes at most per UTF-16 unit.
    if (this.buffer.length < 3 * text.length) this.buffer = new Uint8Array(3 * text.length);
    return this.encoder.encodeInto(text, this.buffer).written;
  }
}

/** A hash as a short string (8 UTF-16 units), for use as a key. */
export function hashKey(hash: Uint8Array): string {
  let key = '';
  for (let i = 0; i < HASH_BYTES; i += 2) key += String.fromCharCode(hash[i] | (hash[i + 1] << 8));
  return key;
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
