// The byte alphabet of byte-level BPE: every byte is one printable character in the vocabulary, as in GPT-2
// (https://github.com/openai/gpt-2/blob/master/src/encoder.py, bytes_to_unicode).

const PRINTABLE_RANGES: readonly (readonly [number, number])[] = [[0x21, 0x7e], [0xa1, 0xac], [0xae, 0xff]];

/** The character that stands for each byte. */
export const BYTE_CHARACTERS: readonly string[] = (() => {
  let numShifted = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = PRINTABLE_RANGES.some(([from, to]) => byte >= from && byte <= to);
    // Bytes that do not print are shown by the characters from U+0100 on.
    return String.fromCharCode(isPrintable ? byte : 256 + numShifted++);
  });
})();

/** Vocabulary character -> byte. */
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = new Map(BYTE_CHARACTERS.map((character, byte) => [character, byte]));

/** The bytes a vocabulary entry stands for; undefined when a character is outside the byte alphabet. */
export function bytesOfVocabularyEntry(entry: string): Uint8Array | undefined {
  const bytes = new Uint8Array(entry.length);
  for (let i = 0; i < entry.length; i++) {
    const byte = BYTE_OF_CHARACTER.get(entry[i]);
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}

/** Number of bytes of the UTF-8 sequence that `lead` opens; 0 when no sequence can begin with it. */
function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text for bytes that may begin or end inside a character: whole characters as they are, other bytes as "<0xE2>". */
export function legibleText(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    let text = '';
    for (let i = 0; i < bytes.length;) {
      const length = sequenceLength(bytes[i]);
      let character: string | undefined;
      try {
        if (length > 0 && i + length <= bytes.length) character = strictDecoder.decode(bytes.subarray(i, i + length));
      } catch {
        character = undefined;
      }
      text += character ?? `<0x${bytes[i].toString(16).toUpperCase().padStart(2, '0')}>`;
      i += character === undefined ? 1 : length;
    }
    return text;
  }
}
