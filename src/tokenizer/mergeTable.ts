// The merges of a byte-level BPE as numbers: which id each byte has, and for two neighbouring ids the rank of their merge and the id it makes.
import { BYTE_CHARACTERS } from './byteLevel.ts';

/** The part of tokenizer.json's `model` that says how to merge. */
export interface BpeMerges {
  readonly merges?: readonly (string | readonly string[])[];
  readonly ignore_merges?: boolean;
  readonly dropout?: number | null;
}

/** Numbers of an entry: left id, right id, rank, merged id. */
const ENTRY = 4;
const EMPTY = -1;

export class MergeTable {
  /** Open addressing; a pair's entry is at or after its place. */
  private readonly entries: Int32Array;
  private readonly mask: number;

  private constructor(readonly idOfByte: Int32Array, numMerges: number) {
    const places = 2 ** Math.ceil(Math.log2(2 * numMerges + 2));
    this.entries = new Int32Array(ENTRY * places).fill(EMPTY);
    this.mask = places - 1;
  }

  /** Undefined when the tokenizer does something that this table cannot express; then the library has to encode. */
  static of(vocab: Readonly<Record<string, number>>, { merges, ignore_merges: ignoresMerges, dropout }: BpeMerges): MergeTable | undefined {
    if (!merges || ignoresMerges || dropout) return undefined;
    // hasOwn: a merge may be called "constructor".
    const idOf = (name: string): number => (Object.hasOwn(vocab, name) ? vocab[name] : EMPTY);
    const idOfByte = Int32Array.from(BYTE_CHARACTERS, idOf);
    const table = new MergeTable(idOfByte, merges.length);
    const ids = new Set(Object.values(vocab));
    if (idOfByte.includes(EMPTY) || ids.size !== Object.keys(vocab).length) return undefined;
    for (const [rank, merge] of merges.entries()) {
      const [left, right] = typeof merge === 'string' ? merge.split(' ', 2) : merge;
      const merged = idOf(left + right);
      if (idOf(left) === EMPTY || idOf(right) === EMPTY || merged === EMPTY) return undefined;
      table.set(idOf(left), idOf(right), rank, merged);
    }
    return table;
  }

  /** Place of the entry of (left, right), for `rankAt` and `mergedAt`; negative: they do not merge. */
  find(left: number, right: number): number {
    const { entries } = this;
    for (let place = this.placeOf(left, right); ; place = (place + 1) & this.mask) {
      const at = ENTRY * place;
      if (entries[at] === left && entries[at + 1] === right) return at;
      if (entries[at] === EMPTY) return EMPTY;
    }
  }

  rankAt(entry: number): number {
    return this.entries[entry + 2];
  }

  mergedAt(entry: number): number {
    return this.entries[entry + 3];
  }

  /** A pair listed twice has the later rank, as in the library. */
  private set(left: number, right: number, rank: number, merged: number): void {
    let place = this.placeOf(left, right);
    while (this.entries[ENTRY * place] !== EMPTY && !(this.entries[ENTRY * place] === left && this.entries[ENTRY * place + 1] === right)) place = (place + 1) & this.mask;
    this.entries.set([left, right, rank, merged], ENTRY * place);
  }

  private placeOf(left: number, right: number): number {
    const hash = Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b);
    return (hash ^ (hash >>> 15)) & this.mask;
  }
}
