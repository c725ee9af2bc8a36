import { describe, expect, it } from 'vitest';
import { blobFile } from './byteFile.ts';
import { Pace } from './pace.ts';
import { decodedText, detectText, type TextEncoding } from './textEncoding.ts';

const TEXT = 'Grüße aus Köln: “naïve” café — 5 €.\nZweite Zeile, ganz gewöhnlich.\n';
const pace = new Pace();

function utf16(text: string, littleEndian: boolean, mark: boolean): Uint8Array<ArrayBuffer> {
  const full = mark ? `\uFEFF${text}` : text;
  const bytes = new Uint8Array(2 * full.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < full.length; i++) view.setUint16(2 * i, full.charCodeAt(i), littleEndian);
  return bytes;
}

async function read(...parts: BlobPart[]): Promise<{ encoding: TextEncoding; text: string; warning?: string }> {
  const source = blobFile('notes.txt', new Blob(parts));
  const { encoding, warning } = await detectText(source, pace);
  let text = '';
  for await (const chunk of decodedText(source, encoding, pace)) text += chunk;
  return { encoding, text, warning };
}

describe('encodings', () => {
  it('reads UTF-8 with and without a byte order mark', async () => {
    expect(await read(TEXT)).toEqual({ encoding: 'utf-8', text: TEXT, warning: undefined });
    expect((await read('\uFEFF', TEXT)).text).toBe(TEXT);
  });

  it.each([[true, true], [true, false], [false, true], [false, false]])('reads UTF-16 (little-endian %s, mark %s)', async (littleEndian, mark) => {
    expect(await read(utf16(TEXT, littleEndian, mark))).toEqual({ encoding: littleEndian ? 'utf-16le' : 'utf-16be', text: TEXT, warning: undefined });
  });

  it('reads Latin-1', async () => {
    const latin = 'Gr\u00fc\u00dfe aus K\u00f6ln, caf\u00e9.\n';
    expect(await read(Uint8Array.from(latin, (character) => character.charCodeAt(0)))).toEqual({ encoding: 'windows-1252', text: latin, warning: undefined });
  });

  it('reads the whole file as Latin-1 when the only invalid byte comes late', async () => {
    const start = 'plain words on a line\n'.repeat(20_000);
    const { encoding, text } = await read(start, new Uint8Array([0x63, 0x61, 0x66, 0xe9, 0x0a]));
    expect(encoding).toBe('windows-1252');
    expect(text).toBe(`${start}café\n`);
  });

  it('keeps a character together that chunks cut in two, and line ends too', async () => {
    const unit = `${'é€👍'.repeat(7)}\r\n`;
    const { encoding, text } = await read(unit.repeat(20_000));
    expect(encoding).toBe('utf-8');
    expect(text === unit.replace('\r\n', '\n').repeat(20_000)).toBe(true);
  });

  it('forgives a last character cut short', async () => {
    const { encoding, text } = await read(new TextEncoder().encode('café').subarray(0, 4));
    expect([encoding, text]).toEqual(['utf-8', 'caf\uFFFD']);
  });

  it('warns where Latin-1 is doubtful', async () => {
    const koi8 = Uint8Array.from({ length: 400 }, (_, i) => (i % 7 === 6 ? 0x20 : 0xc0 + (i % 31)));
    expect((await read(koi8)).warning).toContain('notes.txt is not UTF-8 and was read as Latin-1');
  });

  it('refuses binary data', async () => {
    const zeros = new Uint8Array([0x50, 0x4e, 0x47, 0, 0, 0, 13, 0x49]);
    const noise = Uint8Array.from({ length: 500 }, (_, i) => ((i * 167) % 255) + 1);
    const utf16Noise = Uint8Array.from({ length: 600 }, (_, i) => (i < 2 ? [0xff, 0xfe][i] : i % 2 === 0 ? i % 31 : 0));
    for (const bytes of [zeros, noise, utf16Noise]) await expect(read(bytes)).rejects.toThrow('notes.txt is not a text file: its bytes are binary data.');
  });
});
