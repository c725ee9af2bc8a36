// What GPT-2's word pattern asks of a character: letter, number, white space or none of them, as this JavaScript engine's Unicode has it
// (white space by the property, not by \s: that takes in U+FEFF and leaves out U+0085).

export const OTHER = 0;
export const LETTER = 1;
export const NUMBER = 2;
export const WHITE_SPACE = 3;
/** In BYTE_CLASS only: the byte opens a character of several bytes, see `classOf`. */
export const MULTIBYTE = 4;

const isLetter = /\p{L}/u;
const isNumber = /\p{N}/u;
const isWhiteSpace = /\p{White_Space}/u;

function classByPattern(codePoint: number): number {
  const character = String.fromCodePoint(codePoint);
  if (isLetter.test(character)) return LETTER;
  if (isNumber.test(character)) return NUMBER;
  return isWhiteSpace.test(character) ? WHITE_SPACE : OTHER;
}

/** Class of a UTF-8 byte that opens a character. */
export const BYTE_CLASS: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => (byte < 0x80 ? classByPattern(byte) : MULTIBYTE));

const PAGE_BITS = 8;
/** Classes of 256 code points each, worked out when a text first has one of them. */
const pages: (Uint8Array | undefined)[] = new Array<undefined>(0x110000 >> PAGE_BITS).fill(undefined);

export function classOf(codePoint: number): number {
  const page = pages[codePoint >> PAGE_BITS] ??= makePage(codePoint >> PAGE_BITS);
  return page[codePoint & ((1 << PAGE_BITS) - 1)];
}

function makePage(page: number): Uint8Array {
  return Uint8Array.from({ length: 1 << PAGE_BITS }, (_, i) => classByPattern((page << PAGE_BITS) + i));
}
