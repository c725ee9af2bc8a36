// Keeps the first of equal or nearly equal documents. Since later ones are dropped before the split, no two documents that count as near duplicates can
// stand on different sides of it.
import { ContentHasher, hashKey, type HashedText } from './contentHash.ts';
import { MinHasher } from './minHash.ts';
import { NearDuplicateIndex } from './nearDuplicates.ts';

export type DuplicateKind = 'exact' | 'near';

export class Deduplicator {
  private readonly hasher = new ContentHasher();
  private readonly minHasher = new MinHasher();
  private readonly hashes = new Set<string>();
  private readonly index: NearDuplicateIndex | undefined;

  /** @param nearThreshold Jaccard similarity of word 5-shingles from which documents are near duplicates; 1 or more: only equal ones are dropped */
  constructor(nearThreshold: number) {
    this.index = nearThreshold < 1 ? new NearDuplicateIndex(nearThreshold) : undefined;
  }

  /** Hash of `text`, and what kind of duplicate of an earlier text it is; undefined: none, and from now on it is remembered. */
  add(text: string): HashedText & { readonly duplicate: DuplicateKind | undefined } {
    const hashed = this.hasher.hash(text);
    const key = hashKey(hashed.hash);
    if (this.hashes.has(key)) return { ...hashed, duplicate: 'exact' };
    if (this.index && this.minHasher.compute(text)) {
      if (this.index.hasNear(this.minHasher.signature)) return { ...hashed, duplicate: 'near' };
      this.index.add(this.minHasher.signature);
    }
    this.hashes.add(key);
    return { ...hashed, duplicate: undefined };
  }
}
