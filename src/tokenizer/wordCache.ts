// Ids of words met lately, in one array of fixed size: each word has one slot, and a word that needs a taken slot takes it. A slot is one cache
// line: 16 numbers of 32 bits, namely the word's length and number of ids, its bytes, its ids.

const SLOT = 16;
const IDS_AT = 5;
/** Longer words are not kept: of varied English, code and formulas they are 0.1%, and they seldom come back. */
export const MAX_CACHED_BYTES = 16;
const MAX_CACHED_IDS = SLOT - IDS_AT;

/** For each length four masks that keep the bytes of a word of that length. */
const MASKS = new Int32Array(new Uint8Array(16 * (MAX_CACHED_BYTES + 1)).map((_, i) => (i % 16 < Math.floor(i / 16) ? 0xff : 0)).buffer);

export class WordCache {
  private readonly slots: Int32Array;
  private readonly slotMask: number;
  /** The word last asked for: its slot, length and bytes. */
  private slot = 0;
  private length = 0;
  private key0 = 0;
  private key1 = 0;
  private key2 = 0;
  private key3 = 0;

  /** @param slotBits 2^slotBits words of 64 bytes each */
  constructor(slotBits: number) {
    this.slots = new Int32Array(SLOT << slotBits);
    this.slotMask = (1 << slotBits) - 1;
  }

  /**
   * Writes the ids of the word to `into` from `at` on. @returns where they end, or -1 when the word is not here
   * @param bytes can be read for MAX_CACHED_BYTES from `start` on
   * @param length of the word, MAX_CACHED_BYTES at most
   */
  read(bytes: DataView, start: number, length: number, into: Uint32Array, at: number): number {
    // Written out: loops of a few turns would cost more in mispredicted branches than they do.
    const { slots } = this;
    const key0 = bytes.getInt32(start, true) & MASKS[4 * length];
    const key1 = bytes.getInt32(start + 4, true) & MASKS[4 * length + 1];
    const key2 = bytes.getInt32(start + 8, true) & MASKS[4 * length + 2];
    const key3 = bytes.getInt32(start + 12, true) & MASKS[4 * length + 3];
    let hash = Math.imul(key0, 0x9e3779b1) ^ Math.imul(key1, 0x85ebca6b) ^ Math.imul(key2, 0xc2b2ae35) ^ Math.imul(key3, 0x27d4eb2f);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    const slot = SLOT * ((hash ^ (hash >>> 15)) & this.slotMask);
    const header = slots[slot];
    const differences = ((header & 0xff) ^ length) | (slots[slot + 1] ^ key0) | (slots[slot + 2] ^ key1) | (slots[slot + 3] ^ key2) | (slots[slot + 4] ^ key3);
    if (differences !== 0) {
      this.slot = slot;
      this.length = length;
      this.key0 = key0;
      this.key1 = key1;
      this.key2 = key2;
      this.key3 = key3;
      return -1;
    }
    const count = header >> 8;
    into[at] = slots[slot + IDS_AT];
    for (let i = 1; i < count; i++) into[at + i] = slots[slot + IDS_AT + i];
    return at + count;
  }

  /** Keeps the ids of the word last asked for in vain: ids[from, to). */
  write(ids: Uint32Array, from: number, to: number): void {
    const { slots, slot } = this;
    if (to - from > MAX_CACHED_IDS) return;
    slots[slot] = this.length | ((to - from) << 8);
    slots[slot + 1] = this.key0;
    slots[slot + 2] = this.key1;
    slots[slot + 3] = this.key2;
    slots[slot + 4] = this.key3;
    for (let i = from; i < to; i++) slots[slot + IDS_AT + i - from] = ids[i];
  }
}
