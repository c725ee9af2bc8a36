// The tokenized documents. Tokens lie in one sequence, in chunks that grow with it; the text itself is not kept. Documents are numbered in
// reading order.
import { sha256 } from '@noble/hashes/sha2.js';
import { invariant } from '../core/invariant.ts';
import type { TextTokenizer } from '../tokenizer/tokenizer.ts';
import { HASH_BYTES, hexOf } from './contentHash.ts';
import { tokenArray, type TokenArray } from './prepareDocuments.ts';

const CHUNK_TOKENS = 1 << 20;

export interface CorpusDocument {
  /** File it came from; records and pieces of one file carry their number: "reviews.csv #12". */
  readonly path: string;
  /** Place of its first token in the whole sequence. */
  readonly startToken: number;
  readonly numTokens: number;
  /** UTF-8 bytes of its text. */
  readonly bytes: number;
  /** SHA-256 of its normalised text, first 128 bits, hex. */
  readonly hash: string;
}

export interface DocumentRecord {
  readonly file: string;
  /** Number of the record or piece within its file; 0 for a whole file. */
  readonly part: number;
  readonly startToken: number;
  readonly numTokens: number;
  readonly bytes: number;
  readonly hash: Uint8Array;
}

export class Corpus {
  private readonly chunks: TokenArray[] = [];
  private readonly records: DocumentRecord[] = [];
  /** UTF-8 bytes per token id, where the tokenizer is byte-level. */
  private readonly bytesOfToken: Uint16Array | undefined;
  private tokenCount = 0;
  private byteCount = 0;

  constructor(private readonly tokenizer: Pick<TextTokenizer, 'vocabSize' | 'tokenBytes'>) {
    if (tokenizer.tokenBytes(0)) this.bytesOfToken = Uint16Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.tokenBytes(id)?.length ?? 0);
  }

  get numDocuments(): number {
    return this.records.length;
  }

  get numTokens(): number {
    return this.tokenCount;
  }

  /** UTF-8 bytes of all texts. */
  get bytes(): number {
    return this.byteCount;
  }

  /** @param hash HASH_BYTES bytes (contentHash.ts) */
  append(document: { readonly path: string; readonly part: number; readonly bytes: number; readonly hash: Uint8Array }, tokens: Uint16Array | Uint32Array): void {
    invariant(document.hash.length === HASH_BYTES, 'a document hash has HASH_BYTES bytes');
    this.records.push({ file: document.path, part: document.part, startToken: this.tokenCount, numTokens: tokens.length, bytes: document.bytes, hash: document.hash });
    this.byteCount += document.bytes;
    for (let done = 0; done < tokens.length;) {
      const at = this.tokenCount % CHUNK_TOKENS;
      if (at === 0) this.chunks.push(tokenArray(this.tokenizer.vocabSize, CHUNK_TOKENS));
      const part = tokens.subarray(done, done + CHUNK_TOKENS - at);
      this.chunks[this.chunks.length - 1].set(part, at);
      done += part.length;
      this.tokenCount += part.length;
    }
  }

  document(index: number): CorpusDocument {
    const record = this.record(index);
    return {
      path: record.part === 0 ? record.file : `${record.file} #${record.part}`,
      startToken: record.startToken, numTokens: record.numTokens, bytes: record.bytes, hash: hexOf(record.hash),
    };
  }

  /** All that is kept of document `index` beside its tokens. */
  record(index: number): DocumentRecord {
    const record = this.records[index];
    invariant(record, `document ${index} of ${this.records.length}`);
    return record;
  }

  /** Number of tokens of document `index`, without making the rest of its description. */
  tokenCountOf(index: number): number {
    return this.records[index].numTokens;
  }

  byteCountOf(index: number): number {
    return this.records[index].bytes;
  }

  /** Copies `count` tokens of document `index`, from its token `from` on, into `into` at `offset`. */
  copyTokens(index: number, from: number, count: number, into: Uint32Array, offset: number): void {
    let position = this.records[index].startToken + from;
    for (let done = 0; done < count;) {
      const at = position % CHUNK_TOKENS;
      const chunk = this.chunks[Math.floor(position / CHUNK_TOKENS)];
      const length = Math.min(count - done, CHUNK_TOKENS - at);
      // A loop instead of set(subarray): no garbage while training.
      for (let i = 0; i < length; i++) into[offset + done + i] = chunk[at + i];
      done += length;
      position += length;
    }
  }

  /** UTF-8 bytes of the first `numTokens` tokens of document `index`; in proportion where the tokenizer is not byte-level. */
  bytesOfFirst(index: number, numTokens: number): number {
    const record = this.records[index];
    if (numTokens >= record.numTokens) return record.bytes;
    if (!this.bytesOfToken) return (record.bytes * numTokens) / Math.max(1, record.numTokens);
    let bytes = 0;
    for (const token of documentTokens(this, index, numTokens)) bytes += this.bytesOfToken[token];
    return bytes;
  }

  /**
   * SHA-256 (hex) over the documents' hashes and lengths in order and over `settings`: what a data set is, for model card and command line.
   * @param settings whatever decides the split, as JSON with a fixed order of keys
   */
  fingerprint(settings: string): string {
    const digest = sha256.create();
    const lengths = new Uint32Array(2);
    for (const { hash, bytes, numTokens } of this.records) {
      lengths[0] = bytes;
      lengths[1] = numTokens;
      digest.update(hash).update(new Uint8Array(lengths.buffer));
    }
    return hexOf(digest.update(new TextEncoder().encode(settings)).digest());
  }
}

/** The first `limit` tokens of document `index` (all of them without `limit`), in an array of their own. */
export function documentTokens(corpus: Corpus, index: number, limit = Infinity): Uint32Array {
  const tokens = new Uint32Array(Math.min(limit, corpus.tokenCountOf(index)));
  corpus.copyTokens(index, 0, tokens.length, tokens, 0);
  return tokens;
}
