// Cuts UTF-8 into the words of GPT-2's pre-tokenizer before any merge
// (https://github.com/openai/gpt-2/blob/master/src/encoder.py), byte by byte instead of by its pattern:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
import { BYTE_CLASS, MULTIBYTE, WHITE_SPACE, classOf } from './characterClass.ts';

const SPACE = 0x20;
const APOSTROPHE = 0x27;
const code = (letter: string): number => letter.charCodeAt(0);
const [D, E, L, M, R, S, T, V] = Array.from('delmrstv', code);

/** Bytes of the UTF-8 character that `lead` opens. */
const characterLength = (lead: number): number => (lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);

function codePointAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at];
  if (lead < 0x80) return lead;
  if (lead < 0xe0) return ((lead & 0x1f) << 6) | (bytes[at + 1] & 0x3f);
  if (lead < 0xf0) return ((lead & 0x0f) << 12) | ((bytes[at + 1] & 0x3f) << 6) | (bytes[at + 2] & 0x3f);
  return ((lead & 0x07) << 18) | ((bytes[at + 1] & 0x3f) << 12) | ((bytes[at + 2] & 0x3f) << 6) | (bytes[at + 3] & 0x3f);
}

function classAt(bytes: Uint8Array, at: number): number {
  const byteClass = BYTE_CLASS[bytes[at]];
  return byteClass === MULTIBYTE ? classOf(codePointAt(bytes, at)) : byteClass;
}

/** End of the run of characters of class `kind` from `at` on. */
function endOfRun(bytes: Uint8Array, at: number, end: number, kind: number): number {
  while (at < end) {
    const byteClass = BYTE_CLASS[bytes[at]];
    if (byteClass === kind) at++;
    else if (byteClass === MULTIBYTE && classOf(codePointAt(bytes, at)) === kind) at += characterLength(bytes[at]);
    else break;
  }
  return at;
}

/** Bytes of the contraction that stands at an apostrophe; 0: none. */
function contractionLength(bytes: Uint8Array, at: number, end: number): number {
  const first = at + 1 < end ? bytes[at + 1] : 0;
  if (first === S || first === T || first === M || first === D) return 2;
  const second = at + 2 < end ? bytes[at + 2] : 0;
  return (first === R && second === E) || (first === V && second === E) || (first === L && second === L) ? 3 : 0;
}

/** White space leaves its last character to what follows; alone or at the end of the text it keeps it. */
function endOfWhiteSpace(bytes: Uint8Array, start: number, end: number): number {
  const runEnd = endOfRun(bytes, start, end, WHITE_SPACE);
  if (runEnd === end) return end;
  let last = runEnd - 1;
  while ((bytes[last] & 0xc0) === 0x80) last--;
  return last > start ? last : runEnd;
}

/**
 * Where the word that begins at `start` ends.
 * @param bytes valid UTF-8 up to `end`; `start` is the beginning of a word, `start < end`
 */
export function endOfWord(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start];
  if (first === APOSTROPHE) {
    const length = contractionLength(bytes, start, end);
    if (length > 0) return start + length;
  }
  const at = first === SPACE && start + 1 < end ? start + 1 : start;
  const kind = classAt(bytes, at);
  // No run of white space begins after a space: it begins with it.
  return kind === WHITE_SPACE ? endOfWhiteSpace(bytes, start, end) : endOfRun(bytes, at, end, kind);
}
