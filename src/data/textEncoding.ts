// Which encoding a file is in, and its text. A first pass over the whole file decides (a fatal UTF-8 decoder runs at memory speed), so that
// no document has to be taken back when an invalid byte turns up late.
import { UserError } from '../core/invariant.ts';
import { readChunks, readHead, type ByteFile, type OnBytes } from './byteFile.ts';
import type { Pace } from './pace.ts';

/** Labels of TextDecoder. windows-1252 is what files called Latin-1 are in practice; it has a character for nearly every byte. */
export type TextEncoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252';

export const ENCODING_NAMES: Readonly<Record<TextEncoding, string>> = {
  'utf-8': 'UTF-8', 'utf-16le': 'UTF-16', 'utf-16be': 'UTF-16', 'windows-1252': 'Latin-1',
};

const HEAD_BYTES = 64 * 1024;
/** Share of control characters (other than tab, line ends, form feed, escape) from which a file is binary. */
const MAX_CONTROL_SHARE = 0.02;
/** Share of bytes over 127 from which Latin-1 is a doubtful guess (prose in Western languages has under 10%). */
const DOUBTFUL_HIGH_SHARE = 0.3;

export interface DetectedText {
  readonly encoding: TextEncoding;
  /** First bytes of the file, decoded, for telling formats apart. */
  readonly head: string;
  readonly warning?: string;
}

const isControl = (byte: number): boolean => byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0c && byte !== 0x0d && byte !== 0x1b;
/** The five bytes windows-1252 leaves undefined. */
const isUndefined1252 = (byte: number): boolean => byte === 0x81 || byte === 0x8d || byte === 0x8f || byte === 0x90 || byte === 0x9d;

function startsWith(bytes: Uint8Array, ...prefix: number[]): boolean {
  return prefix.every((byte, i) => bytes[i] === byte);
}

/** UTF-16 by its byte order mark, or by zero bytes on one side only (Latin text). */
function utf16Of(head: Uint8Array): TextEncoding | undefined {
  if (startsWith(head, 0xff, 0xfe)) return 'utf-16le';
  if (startsWith(head, 0xfe, 0xff)) return 'utf-16be';
  let evenZeros = 0;
  let oddZeros = 0;
  const pairs = head.length >> 1;
  for (let i = 0; i < pairs; i++) {
    if (head[2 * i] === 0) evenZeros++;
    if (head[2 * i + 1] === 0) oddZeros++;
  }
  // Half of the characters at least are ASCII, and U+00xx with a zero low byte (NUL itself) hardly occurs.
  if (pairs >= 2 && oddZeros > 0.5 * pairs && evenZeros < 0.02 * pairs) return 'utf-16le';
  if (pairs >= 2 && evenZeros > 0.5 * pairs && oddZeros < 0.02 * pairs) return 'utf-16be';
  return undefined;
}

/** Whether the whole file is UTF-8; an unfinished character at its very end (a file cut short) is forgiven. */
async function isUtf8(file: ByteFile, pace: Pace): Promise<boolean> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for await (const chunk of readChunks(file, pace)) {
    try {
      decoder.decode(chunk, { stream: true });
    } catch {
      return false;
    }
  }
  return true;
}

/** @throws UserError when the file is empty or binary */
export async function detectText(file: ByteFile, pace: Pace): Promise<DetectedText> {
  const head = await readHead(file, HEAD_BYTES, pace);
  if (head.length === 0) throw new UserError(`${file.path} is empty.`);
  const binary = new UserError(`${file.path} is not a text file: its bytes are binary data.`);
  const decodedHead = (encoding: TextEncoding): string => new TextDecoder(encoding).decode(head);

  const utf16 = utf16Of(head);
  if (utf16) {
    const text = decodedHead(utf16);
    let strange = 0;
    for (let i = 0; i < text.length; i++) if (isControl(text.charCodeAt(i)) || text.charCodeAt(i) === 0xfffd) strange++;
    if (strange > MAX_CONTROL_SHARE * text.length) throw binary;
    return { encoding: utf16, head: text };
  }
  let controls = 0;
  let undefined1252 = 0;
  let high = 0;
  for (const byte of head) {
    if (byte === 0) throw binary;
    if (isControl(byte)) controls++;
    if (byte > 0x7f) high++;
    if (isUndefined1252(byte)) undefined1252++;
  }
  if (controls > MAX_CONTROL_SHARE * head.length) throw binary;
  if (await isUtf8(file, pace)) return { encoding: 'utf-8', head: decodedHead('utf-8') };
  if (controls + undefined1252 > MAX_CONTROL_SHARE * head.length) throw binary;
  const detected: DetectedText = { encoding: 'windows-1252', head: decodedHead('windows-1252') };
  return high > DOUBTFUL_HIGH_SHARE * head.length
    ? { ...detected, warning: `${file.path} is not UTF-8 and was read as Latin-1; if its letters look wrong in the preview, save it as UTF-8.` }
    : detected;
}

/** Text is handed on in pieces of at least this many characters (but for the last), since every piece costs a turn of each generator. */
const CHUNK_CHARACTERS = 256 * 1024;

/** The text of a file in pieces, line ends as "\n", without byte order mark. */
export async function* decodedText(file: ByteFile, encoding: TextEncoding, pace: Pace, onBytes?: OnBytes): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder(encoding);
  let pending = '';
  for await (const chunk of readChunks(file, pace, onBytes)) {
    pending += decoder.decode(chunk, { stream: true });
    if (pending.length < CHUNK_CHARACTERS) continue;
    // A carriage return at the end may be half of "\r\n".
    const end = pending.endsWith('\r') ? pending.length - 1 : pending.length;
    const text = pending.slice(0, end);
    pending = pending.slice(end);
    yield text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
  }
  pending += decoder.decode();
  if (pending !== '') yield pending.replace(/\r\n?/g, '\n');
}
