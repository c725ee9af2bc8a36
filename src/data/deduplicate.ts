// Keeps the first of equal or nearly equal documents. Since later ones are dropped before the split, no two documents that count as near duplicates can
// stand on different sides of it.
import { hashKey } from './contentHash.ts';
import { NearDuplicateIndex } from './nearDuplicates.ts';
import type { PreparedDocument } from './prepareDocuments.ts';

export type DuplicateKind = 'exact' | 'near';

/** From this similarity on only equal documents are duplicates. */
export const comparesNear = (nearThreshold: number): boolean => nearThreshold < 1;

export class Deduplicator {
  private readonly hashes = new Set<string>();
  private readonly index: NearDuplicateIndex | undefined;

  /** @param nearThreshold Jaccard similarity of word 5-shingles from which documents are near duplicates; 1 or more: only equal ones are dropped */
  constructor(nearThreshold: number) {
    this.index = comparesNear(nearThreshold) ? new NearDuplicateIndex(nearThreshold) : undefined;
  }

  /** What kind of duplicate of an earlier document this is; undefined: none, and from now on it is remembered. */
  add({ hash, signature }: Pick<PreparedDocument, 'hash' | 'signature'>): DuplicateKind | undefined {
    const key = hashKey(hash);
    if (this.hashes.has(key)) return 'exact';
    if (this.index && signature) {
      if (this.index.hasNear(signature)) return 'near';
      this.index.add(signature);
    }
    this.hashes.add(key);
    return undefined;
  }
}
