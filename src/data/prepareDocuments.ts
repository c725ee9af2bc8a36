// What a document's text is needed for once it is clean: its identity, its likeness to others, its tokens. All of it depends on that text alone, so it
// can be done for many documents at a time in other threads; what depends on the documents before (duplicates, order) is decided from the results.
import type { TextTokenizer } from '../tokenizer/tokenizer.ts';
import { ContentHasher, HASH_BYTES } from './contentHash.ts';
import { MinHasher, SIGNATURE_SIZE } from './minHash.ts';

export type TokenArray = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Array for ids below `vocabSize`. */
export const tokenArray = (vocabSize: number, length: number): TokenArray => (vocabSize > 65536 ? new Uint32Array(length) : new Uint16Array(length));

export interface PreparedDocument {
  /** UTF-8 bytes of the text. */
  readonly bytes: number;
  /** Hash of its content (contentHash.ts). */
  readonly hash: Uint8Array;
  /** MinHash signature; absent when the text has no words, or when nobody compares. */
  readonly signature: Uint16Array | undefined;
  readonly tokens: TokenArray;
}

/** The results for several documents, one after another in a few arrays, so that they cross to another thread without being copied. */
export interface PreparedBatch {
  readonly bytes: Float64Array<ArrayBuffer>;
  readonly hashes: Uint8Array<ArrayBuffer>;
  /** Empty when nobody compares. */
  readonly signatures: Uint16Array<ArrayBuffer>;
  /** 1: has a signature. */
  readonly hasSignature: Uint8Array<ArrayBuffer>;
  readonly tokens: TokenArray;
  /** Where each document's tokens end. */
  readonly tokenEnds: Float64Array<ArrayBuffer>;
}

export class DocumentPreparer {
  private readonly hasher = new ContentHasher();
  private readonly minHasher: MinHasher | undefined;

  /** @param comparesNear whether near duplicates are looked for */
  constructor(private readonly tokenizer: Pick<TextTokenizer, 'encode' | 'vocabSize'>, comparesNear: boolean) {
    this.minHasher = comparesNear ? new MinHasher() : undefined;
  }

  /** @param texts clean (see cleanText) */
  prepare(texts: readonly string[]): PreparedBatch {
    const { minHasher, tokenizer } = this;
    const count = texts.length;
    const bytes = new Float64Array(count);
    const hashes = new Uint8Array(count * HASH_BYTES);
    const signatures = new Uint16Array(minHasher ? count * SIGNATURE_SIZE : 0);
    const hasSignature = new Uint8Array(count);
    const tokenEnds = new Float64Array(count);
    const encoded = texts.map((text) => tokenizer.encode(text));
    const tokens = tokenArray(tokenizer.vocabSize, encoded.reduce((sum, ids) => sum + ids.length, 0));
    let end = 0;
    for (const [i, text] of texts.entries()) {
      const hashed = this.hasher.hash(text);
      bytes[i] = hashed.bytes;
      hashes.set(hashed.hash, i * HASH_BYTES);
      if (minHasher?.compute(text)) {
        hasSignature[i] = 1;
        signatures.set(minHasher.signature, i * SIGNATURE_SIZE);
      }
      tokens.set(encoded[i], end);
      end += encoded[i].length;
      tokenEnds[i] = end;
    }
    return { bytes, hashes, signatures, hasSignature, tokens, tokenEnds };
  }
}

/** The documents of a batch, as views of its arrays. */
export function preparedDocuments({ bytes, hashes, signatures, hasSignature, tokens, tokenEnds }: PreparedBatch): PreparedDocument[] {
  return Array.from(bytes, (length, i) => ({
    bytes: length,
    // Kept as long as the corpus is, so it must not hold the batch.
    hash: hashes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES),
    signature: hasSignature[i] ? signatures.subarray(i * SIGNATURE_SIZE, (i + 1) * SIGNATURE_SIZE) : undefined,
    tokens: tokens.subarray(i === 0 ? 0 : tokenEnds[i - 1], tokenEnds[i]),
  }));
}
