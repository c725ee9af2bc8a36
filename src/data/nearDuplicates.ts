// Finds, for each new document, an earlier one that is nearly the same: locality-sensitive hashing proposes candidates (documents that agree on
// a whole band of the signature), the estimated similarity decides. About 0.5 KB per kept document; only what was kept is compared.
import { SIGNATURE_SIZE, estimateSimilarity } from './minHash.ts';

/** Candidates looked at per band: bounds the work where thousands of documents share a boilerplate. */
const MAX_CANDIDATES_PER_BAND = 64;
/** Chance of missing a pair exactly at the threshold that the bands are chosen for. */
const MAX_MISS = 1e-4;

/** The longest band (fewest false candidates) that still misses hardly any pair at the threshold. */
export function rowsPerBand(threshold: number): number {
  let rows = 1;
  for (let r = 2; r <= 16; r++) {
    if ((1 - threshold ** r) ** Math.floor(SIGNATURE_SIZE / r) <= MAX_MISS) rows = r;
  }
  return rows;
}

export class NearDuplicateIndex {
  private readonly rows: number;
  private readonly bands: number;
  private size = 0;
  private signatures = new Uint16Array(64 * SIGNATURE_SIZE);
  /** Chains of (document, band) pairs with the same bucket: heads per bucket, next per pair; -1 ends a chain. */
  private heads: Int32Array;
  private next: Int32Array;
  /** Per document the query that looked at it last. */
  private lastSeen = new Uint32Array(64);
  private query = 0;

  /** @param threshold estimated Jaccard similarity, in (0, 1), from which two documents are near duplicates */
  constructor(private readonly threshold: number) {
    this.rows = rowsPerBand(threshold);
    this.bands = Math.floor(SIGNATURE_SIZE / this.rows);
    this.heads = new Int32Array(1 << 12).fill(-1);
    this.next = new Int32Array(64 * this.bands);
  }

  /** Whether a kept document is at least as similar as the threshold. */
  hasNear(signature: Uint16Array): boolean {
    this.query++;
    for (let band = 0; band < this.bands; band++) {
      let pair = this.heads[this.bucket(signature, 0, band)];
      for (let seen = 0; pair >= 0 && seen < MAX_CANDIDATES_PER_BAND; pair = this.next[pair]) {
        const document = Math.floor(pair / this.bands);
        if (this.lastSeen[document] === this.query) continue;
        this.lastSeen[document] = this.query;
        seen++;
        if (estimateSimilarity(signature, 0, this.signatures, document * SIGNATURE_SIZE) >= this.threshold) return true;
      }
    }
    return false;
  }

  /** Keeps a document for later queries. */
  add(signature: Uint16Array): void {
    if ((this.size + 1) * SIGNATURE_SIZE > this.signatures.length) this.grow();
    this.signatures.set(signature, this.size * SIGNATURE_SIZE);
    if (this.size * this.bands > this.heads.length) this.rehash();
    this.link(this.size++);
  }

  private link(document: number): void {
    for (let band = 0; band < this.bands; band++) {
      const bucket = this.bucket(this.signatures, document * SIGNATURE_SIZE, band);
      const pair = document * this.bands + band;
      this.next[pair] = this.heads[bucket];
      this.heads[bucket] = pair;
    }
  }

  private bucket(signatures: Uint16Array, offset: number, band: number): number {
    let hash = Math.imul(band + 1, 0x9e3779b1);
    for (let i = band * this.rows; i < (band + 1) * this.rows; i++) {
      hash = Math.imul(hash ^ signatures[offset + i], 0x85ebca6b);
      hash ^= hash >>> 13;
    }
    return (hash ^ (hash >>> 16)) & (this.heads.length - 1);
  }

  private grow(): void {
    const enlarge = <T extends Uint16Array | Int32Array | Uint32Array>(old: T, larger: T): T => {
      larger.set(old);
      return larger;
    };
    const capacity = 2 * (this.signatures.length / SIGNATURE_SIZE);
    this.signatures = enlarge(this.signatures, new Uint16Array(capacity * SIGNATURE_SIZE));
    this.next = enlarge(this.next, new Int32Array(capacity * this.bands));
    this.lastSeen = enlarge(this.lastSeen, new Uint32Array(capacity));
  }

  private rehash(): void {
    this.heads = new Int32Array(2 * this.heads.length).fill(-1);
    for (let document = 0; document < this.size; document++) this.link(document);
  }
}
