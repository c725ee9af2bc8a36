// Ids of words met lately, in one array of fixed size: each word has one slot, and a word that needs a taken slot takes it. A slot is one cache
// line: 16 numbers of 32 bits, namely the word's length and number of ids, its bytes, its ids.

const SLOT = 16;
const KEY_AT = 1;
const IDS_AT = 7;
/** Longer words are not kept: they seldom come back. */
export const MAX_CACHED_BYTES = 4 * (IDS_AT - KEY_AT);
const MAX_CACHED_IDS = SLOT - IDS_AT;
/** Bytes that may be read past the end of a word. */
export const READ_AHEAD_BYTES = 3;

/** Keeps the bytes of a last number that belong to the word, by length modulo 4. */
const TAIL_MASK = Int32Array.of(-1, 0xff, 0xffff, 0xffffff);

export class WordCache {
  private readonly slots: Int32Array;
  private readonly slotMask: number;
  private readonly key = new Int32Array(IDS_AT - KEY_AT);
  private keyLength = 0;
  private slot = 0;

  /** @param slotBits 2^slotBits words of 64 bytes each */
  constructor(slotBits: number) {
    this.slots = new Int32Array(SLOT << slotBits);
    this.slotMask = (1 << slotBits) - 1;
  }

  /**
   * Writes the ids of the word to `into` from `at` on. @returns where they end, or -1 when the word is not here
   * @param bytes has READ_AHEAD_BYTES past the word's end
   * @param length MAX_CACHED_BYTES at most
   */
  read(bytes: DataView, start: number, length: number, into: Uint32Array, at: number): number {
    const { key, slots } = this;
    const numNumbers = (length + 3) >> 2;
    let hash = length;
    for (let i = 0; i < numNumbers; i++) {
      let number = bytes.getInt32(start + 4 * i, true);
      if (i === numNumbers - 1) number &= TAIL_MASK[length & 3];
      key[i] = number;
      hash = Math.imul(hash ^ number, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    const slot = SLOT * (hash & this.slotMask);
    this.slot = slot;
    this.keyLength = length;
    if ((slots[slot] & 0xff) !== length) return -1;
    for (let i = 0; i < numNumbers; i++) if (slots[slot + KEY_AT + i] !== key[i]) return -1;
    const count = slots[slot] >> 8;
    for (let i = 0; i < count; i++) into[at + i] = slots[slot + IDS_AT + i];
    return at + count;
  }

  /** Keeps the ids of the word last asked for: ids[from, to). */
  write(ids: Uint32Array, from: number, to: number): void {
    if (to - from > MAX_CACHED_IDS) return;
    this.slots[this.slot] = this.keyLength | ((to - from) << 8);
    this.slots.set(this.key, this.slot + KEY_AT);
    for (let i = from; i < to; i++) this.slots[this.slot + IDS_AT + i - from] = ids[i];
  }
}
