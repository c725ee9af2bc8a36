// Byte-pair encoding of one word: of all neighbouring pairs the one with the lowest rank merges first, the leftmost of equal ones, until none
// merges. Short words are searched through at each merge; long ones (a line of a million dashes) keep their pairs in a heap, so that time stays
// near linear.
import type { MergeTable } from './mergeTable.ts';

/** Words up to so many bytes are searched through: there that is faster than a heap (bench/LOG.md). */
const MAX_SCANNED_BYTES = 64;
/** Rank of a pair that does not merge. */
const NO_MERGE = 0x7fffffff;
const NONE = -1;

export class WordMerger {
  private readonly ids = new Int32Array(MAX_SCANNED_BYTES);
  /** Rank of the pair that begins at each id, and where the table has it. */
  private readonly ranks = new Int32Array(MAX_SCANNED_BYTES);
  private readonly entries = new Int32Array(MAX_SCANNED_BYTES);

  constructor(private readonly table: MergeTable) {}

  /**
   * Writes the ids of the word bytes[start, end) to `into` from `at` on. @returns where they end
   * @param into has room for an id per byte
   */
  merge(bytes: Uint8Array, start: number, end: number, into: Uint32Array, at: number): number {
    return end - start <= MAX_SCANNED_BYTES ? this.mergeByScanning(bytes, start, end, into, at) : this.mergeByHeap(bytes, start, end, into, at);
  }

  private mergeByScanning(bytes: Uint8Array, start: number, end: number, into: Uint32Array, at: number): number {
    const { ids, ranks, entries, table } = this;
    let count = end - start;
    for (let i = 0; i < count; i++) ids[i] = table.idOfByte[bytes[start + i]];
    for (let i = 0; i + 1 < count; i++) this.look(i);
    for (;;) {
      let best = 0;
      let lowest = NO_MERGE;
      for (let i = 0; i + 1 < count; i++) {
        if (ranks[i] >= lowest) continue;
        lowest = ranks[i];
        best = i;
      }
      if (lowest === NO_MERGE) break;
      ids[best] = table.mergedAt(entries[best]);
      count--;
      for (let i = best + 1; i < count; i++) {
        ids[i] = ids[i + 1];
        ranks[i] = ranks[i + 1];
        entries[i] = entries[i + 1];
      }
      if (best > 0) this.look(best - 1);
      if (best + 1 < count) this.look(best);
    }
    for (let i = 0; i < count; i++) into[at + i] = ids[i];
    return at + count;
  }

  private look(i: number): void {
    const entry = this.table.find(this.ids[i], this.ids[i + 1]);
    this.entries[i] = entry;
    this.ranks[i] = entry < 0 ? NO_MERGE : this.table.rankAt(entry);
  }

  private mergeByHeap(bytes: Uint8Array, start: number, end: number, into: Uint32Array, at: number): number {
    const { table } = this;
    const count = end - start;
    const ids = new Int32Array(count);
    /** Neighbours that are left; a merged pair lives on at its left place. */
    const previous = new Int32Array(count);
    const next = new Int32Array(count);
    const isGone = new Uint8Array(count);
    for (let i = 0; i < count; i++) {
      ids[i] = table.idOfByte[bytes[start + i]];
      previous[i] = i - 1;
      next[i] = i + 1 < count ? i + 1 : NONE;
    }
    const queue = new PairQueue(2 * count);
    const offer = (left: number): void => {
      const entry = next[left] === NONE ? NONE : table.find(ids[left], ids[next[left]]);
      if (entry >= 0) queue.push(table.rankAt(entry), left);
    };
    for (let i = 0; i + 1 < count; i++) offer(i);
    while (queue.size > 0) {
      queue.pop();
      const { place } = queue;
      if (isGone[place] || next[place] === NONE) continue;
      const entry = table.find(ids[place], ids[next[place]]);
      // A pair whose ids have changed since: if it merges still, it was offered anew.
      if (entry < 0 || table.rankAt(entry) !== queue.rank) continue;
      const right = next[place];
      ids[place] = table.mergedAt(entry);
      isGone[right] = 1;
      next[place] = next[right];
      if (next[place] !== NONE) previous[next[place]] = place;
      if (previous[place] !== NONE) offer(previous[place]);
      offer(place);
    }
    for (let i = 0; i !== NONE; i = next[i]) into[at++] = ids[i];
    return at;
  }
}

/** Places of a word that fit in a number beside a rank (2^53 / 2^22 ranks). */
const PLACES = 2 ** 31;

/** A heap of (rank, place), lowest rank first, then leftmost; both in one number, which orders the same. */
class PairQueue {
  private readonly keys: Float64Array;
  size = 0;
  /** Of the pair popped last. */
  rank = 0;
  place = 0;

  /** @param capacity pushes there can ever be, less pops */
  constructor(capacity: number) {
    this.keys = new Float64Array(capacity);
  }

  push(rank: number, place: number): void {
    const key = rank * PLACES + place;
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.keys[parent] <= key) break;
      this.keys[at] = this.keys[parent];
      at = parent;
    }
    this.keys[at] = key;
  }

  pop(): void {
    const { keys } = this;
    const [top] = keys;
    const key = keys[--this.size];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && keys[child + 1] < keys[child]) child++;
      if (keys[child] >= key) break;
      keys[at] = keys[child];
      at = child;
    }
    keys[at] = key;
    this.rank = Math.floor(top / PLACES);
    this.place = top % PLACES;
  }
}
