// Input that is broken or means harm: each gives one clear sentence that names the file, and good files beside it are still read.
import { describe, expect, it } from 'vitest';
import { UserError } from '../core/invariant.ts';
import { EXPANSION_LIMITS, ExpansionError } from './expansionGuard.ts';
import { file, gzip, load, prose, textsOf, zip } from './loading.fixture.ts';

const GOOD = prose(1, 80);
const png = new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 1, 0, 255, 3]);
const zeros = (megabytes: number): Blob => new Blob(Array.from({ length: megabytes }, () => new Uint8Array(2 ** 20).fill(97)));

async function bytesOf(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await blob.arrayBuffer());
}

describe('one bad file alone fails with one sentence; beside a good one it is left out with that sentence', () => {
  it.each<[string, string, () => Promise<Blob> | Blob, string]>([
    ['a binary file renamed .txt', 'photo.txt', () => new Blob([png]), 'photo.txt is not a text file: its bytes are binary data.'],
    ['an empty file', 'empty.txt', () => new Blob([]), 'empty.txt is empty.'],
    ['an empty gzip', 'empty.txt.gz', () => gzip(''), 'empty.txt.gz is empty.'],
    ['only white space', 'blank.txt', () => new Blob(['\uFEFF \r\n\t\n ']), ''],
    ['JSON Lines without JSON', 'r.jsonl', () => new Blob(['just\nwords\n']), 'r.jsonl holds no JSON records: not one of its lines is a JSON object or string.'],
    ['broken JSON', 'r.json', () => new Blob(['{"a": [1, 2']), 'r.json is not valid JSON.'],
    ['JSON without texts', 'r.json', () => new Blob(['[1, 2, [3]]']), 'r.json holds no texts: it is neither a list of records nor an object with text in it.'],
    ['records without text', 'r.jsonl', () => new Blob(['{"a": 1, "b": [2]}\n{"a": 3, "b": null}']), 'r.jsonl has no field with text in it; its fields are a, b.'],
    ['a table with names only', 'r.csv', () => new Blob(['id,text\n']), 'r.csv has no rows below its column names.'],
    ['gzip in name only', 'a.txt.gz', () => new Blob(['plain']), 'a.txt.gz is no complete gzip file, so it could not be unpacked.'],
    ['a cut gzip', 'a.txt.gz', async () => (await gzip(prose(2, 5000))).slice(0, 4000), 'a.txt.gz is no complete gzip file, so it could not be unpacked.'],
    ['zip in name only', 'a.zip', () => new Blob(['plain text']), 'a.zip is no complete zip file, so it could not be unpacked'],
    ['an empty zip', 'a.zip', () => zip({}), 'a.zip is a zip file with nothing in it.'],
    ['a zip named .txt', 'a.txt', () => zip({ 'b.txt': GOOD }), 'a.txt is not a text file: its bytes are those of an archive.'],
    ['a zip in a zip', 'a.zip', async () => zip({ 'inner.zip': await zip({ 'b.txt': GOOD }) }), 'a.zip/inner.zip is a zip file inside an archive; unpack it first.'],
    ['a gzip in a gzip', 'a.gz.gz', async () => gzip(await gzip(GOOD)), 'a.gz.gz is an archive inside an archive; unpack it first.'],
    ['an encrypted zip', 'a.zip', () => zip({ 'b.txt': GOOD }, 'secret'), 'a.zip/b.txt is encrypted.'],
    ['a PDF', 'paper.pdf', () => new Blob(['%PDF-1.7']), 'paper.pdf is a PDF file, which is not read here; save its text as .txt.'],
    ['a PDF named .txt', 'paper.txt', () => new Blob(['%PDF-1.7\n%âãÏÓ']), 'paper.txt is not a text file: its bytes are those of a PDF.'],
    ['a Word file in a zip', 'a.zip', () => zip({ 'b.docx': 'x' }), 'a.zip/b.docx is a Word file, which is not read here; save its text as .txt.'],
  ])('%s', async (_name, path, content, sentence) => {
    const blob = await content();
    const failure = await load([file(path, blob)]).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UserError);
    expect((failure as UserError).message).toContain(sentence);
    const loaded = await load([file(path, blob), file('good.txt', GOOD)]);
    expect(textsOf(loaded)).toEqual([GOOD]);
    if (sentence !== '') expect(loaded.warnings.join(' ')).toContain(sentence);
  });

  it('nothing at all', async () => {
    await expect(load([])).rejects.toThrow('There is no text in what was given.');
    await expect(load([file('.DS_Store', png)])).rejects.toThrow('There is no text in what was given.');
  });

  it('an entry damaged inside its zip', async () => {
    const bytes = await bytesOf(await zip({ 'a.txt': prose(3, 3000), 'b.txt': GOOD }));
    bytes.fill(0xff, 200, 400);
    const loaded = await load([file('a.zip', new Blob([bytes]))]);
    expect(textsOf(loaded)).toEqual([GOOD]);
    expect(loaded.warnings).toEqual(['a.zip/a.txt is damaged and could not be unpacked. It was left out.']);
  });

  it('a zip cut short', async () => {
    const bytes = await bytesOf(await zip({ 'a.txt': prose(3, 3000) }));
    await expect(load([file('a.zip', new Blob([bytes.subarray(0, bytes.length - 40)]))])).rejects.toThrow('a.zip is no complete zip file');
  });

  it('a quotation mark never closed, without quadratic work', async () => {
    const table = new Blob(['id,text\n1,"open', ...Array.from({ length: 300 }, (_, i) => `${prose(i, 50).repeat(200)}\n`)]);
    const start = performance.now();
    await expect(load([file('r.csv', table)])).rejects.toThrow('a quotation mark is opened and never closed');
    expect(performance.now() - start).toBeLessThan(20_000);
  });

  it('many bad files: the list of warnings stays short', async () => {
    const loaded = await load([...Array.from({ length: 200 }, (_, i) => file(`${i}.txt`, png)), file('good.txt', GOOD)]);
    expect(loaded.warnings).toHaveLength(20);
    expect(loaded.warnings[19]).toBe('And 181 more remarks like these.');
  });

  it('a file that goes away while it is read', async () => {
    const broken = new Blob(['x'.repeat(100)]);
    Object.defineProperty(broken, 'stream', { value: () => new ReadableStream({ pull() { throw new DOMException('gone', 'NotReadableError'); } }) });
    await expect(load([file('gone.txt', broken)])).rejects.toThrow('gone.txt could not be read');
  });
});

describe('zip bombs are refused whatever lies beside them', () => {
  it('by the ratio, from the directory, before anything expands', async () => {
    const bomb = await zip({ 'bomb.txt': zeros(40) });
    expect(bomb.size).toBeLessThan(100_000);
    const failing = load([file('good.txt', GOOD), file('bomb.zip', bomb)]);
    await expect(failing).rejects.toThrow('bomb.zip expands to more than 200 times its size, so it was refused as a possible zip bomb.');
    await expect(failing).rejects.toBeInstanceOf(ExpansionError);
  });

  it('by the ratio, in a gzip, while it expands', async () => {
    const bomb = await gzip(zeros(40));
    await expect(load([file('bomb.txt.gz', bomb)])).rejects.toThrow('bomb.txt.gz expands to more than 200 times its size');
  });

  it('by the total', async () => {
    const limits = { ...EXPANSION_LIMITS, maxBytes: 50_000 };
    await expect(load([file('big.zip', await zip({ 'a.txt': prose(4, 6000), 'b.txt': prose(5, 6000) }))], { limits })).rejects.toThrow('big.zip expands to more than 48.8 KB, so it was refused.');
    await expect(load([file('big.txt.gz', await gzip(prose(4, 9000)))], { limits })).rejects.toThrow('big.txt.gz expands to more than 48.8 KB');
  });

  it('by a directory that lies about the size', async () => {
    const bytes = await bytesOf(await zip({ 'bomb.txt': zeros(40) }));
    const view = new DataView(bytes.buffer);
    // Central directory entry "PK\1\2": uncompressed size at +24 (or in its ZIP64 field, which this file does not use).
    for (let i = 0; i < bytes.length - 46; i++) if (view.getUint32(i, true) === 0x02014b50) view.setUint32(i + 24, 1000, true);
    const failure = await load([file('liar.zip', new Blob([bytes]))]).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UserError);
    expect((failure as UserError).message).toMatch(/^liar\.zip\/bomb\.txt (expands further than its zip file declares|is damaged)/);
  });

  it('but a very repetitive small file is read', async () => {
    expect((await load([file('log.txt.gz', await gzip('tick\n'.repeat(200_000)))])).corpus.numTokens).toBeGreaterThan(0);
  });
});

describe('cancelling', () => {
  const large = (): Blob => new Blob(Array.from({ length: 60 }, (_, i) => `${prose(i, 1500)}\n\n`.repeat(1)));

  it('stops before anything when the signal is already aborted', async () => {
    await expect(load([file('a.txt', GOOD)], { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
  });

  it.each(['a.txt', 'a.txt.gz', 'a.zip'])('lets a message through and stops within %s', async (path) => {
    const text = new Blob([large(), large(), large(), large(), large(), large(), large(), large()]);
    const content = path.endsWith('.gz') ? await gzip(text) : path.endsWith('.zip') ? await zip({ 'inner.txt': text }) : text;
    const cancelling = new AbortController();
    setTimeout(() => cancelling.abort(), 20);
    await expect(load([file(path, content)], { signal: cancelling.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });
});
