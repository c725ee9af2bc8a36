// Text to ids for plain byte-level BPE: UTF-8, cut into words, each word's ids from the cache or by merging.
import type { MergeTable } from './mergeTable.ts';
import { MAX_CACHED_BYTES, WordCache } from './wordCache.ts';
import { endOfWord } from './wordEnds.ts';
import { WordMerger } from './wordMerger.ts';

/** 65,536 words in 4 MB. */
const CACHE_SLOT_BITS = 16;

export class ByteLevelEncoder {
  private readonly cache = new WordCache(CACHE_SLOT_BITS);
  private readonly merger: WordMerger;
  private readonly encoder = new TextEncoder();
  private bytes = new Uint8Array(0);
  private view = new DataView(this.bytes.buffer);
  private ids = new Uint32Array(0);

  constructor(table: MergeTable) {
    this.merger = new WordMerger(table);
  }

  /** Halves of surrogate pairs count as U+FFFD. */
  encode(text: string): Uint32Array {
    const length = this.toUtf8(text);
    // There are no more ids than bytes.
    if (this.ids.length < length) this.ids = new Uint32Array(length);
    const { cache, merger, bytes, view, ids } = this;
    let count = 0;
    for (let start = 0; start < length;) {
      const end = endOfWord(bytes, start, length);
      const from = count;
      if (end - start > MAX_CACHED_BYTES) count = merger.merge(bytes, start, end, ids, from);
      else {
        count = cache.read(view, start, end - start, ids, from);
        if (count < 0) {
          count = merger.merge(bytes, start, end, ids, from);
          cache.write(ids, from, count);
        }
      }
      start = end;
    }
    return ids.slice(0, count);
  }

  private toUtf8(text: string): number {
    // Three bytes at most per UTF-16 unit, and what the cache reads past the end.
    const needed = 3 * text.length + MAX_CACHED_BYTES;
    if (this.bytes.length < needed) {
      this.bytes = new Uint8Array(needed);
      this.view = new DataView(this.bytes.buffer);
    }
    return this.encoder.encodeInto(text, this.bytes).written;
  }
}
