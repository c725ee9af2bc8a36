// The same reading in a real browser, whose streams, text decoders and builds of the libraries are not Node's.
import { BlobWriter, TextReader, ZipWriter } from '@zip.js/zip.js/index-native.js';
import { expect, it } from 'vitest';
import type { TextTokenizer } from '../tokenizer/tokenizer.ts';
import type { TextSource } from './byteFile.ts';
import { documentTokens } from './corpus.ts';
import { loadCorpus, type LoadedCorpus } from './loadCorpus.ts';

/** One token per byte. */
const byteTokenizer: TextTokenizer = {
  vocabSize: 257,
  endOfText: 256,
  encode: (text) => Uint32Array.from(new TextEncoder().encode(text)),
  decode: (ids) => new TextDecoder().decode(Uint8Array.from(ids)),
  tokenText: String,
  tokenBytes: (id) => Uint8Array.of(id),
};

const load = (sources: readonly TextSource[], signal?: AbortSignal): Promise<LoadedCorpus> =>
  loadCorpus(sources, { tokenizer: byteTokenizer, config: { fields: {}, nearDuplicateThreshold: 0.8 }, signal });
const textsOf = ({ corpus }: LoadedCorpus): string[] => Array.from({ length: corpus.numDocuments }, (_, i) => byteTokenizer.decode(documentTokens(corpus, i)));
const gzip = (content: BlobPart): Promise<Blob> => new Response(new Blob([content]).stream().pipeThrough(new CompressionStream('gzip'))).blob();

async function zip(entries: Record<string, string>): Promise<Blob> {
  const writer = new ZipWriter(new BlobWriter(), { useWebWorkers: false });
  for (const [name, text] of Object.entries(entries)) await writer.add(name, new TextReader(text));
  return writer.close();
}

it('reads every format in the browser', async () => {
  const loaded = await load([
    { path: 'a.txt.gz', blob: await gzip('first text') },
    { path: 'b.zip', blob: await zip({ 'x.csv': 'n,text\n1,"second, quoted"\n', 'y.html': '<p>third &amp; <b>bold</b></p><script>no</script>' }) },
    { path: 'c.json', blob: new Blob(['{"data": [{"text": "fourth"}]}']) },
    { path: 'd.jsonl', blob: new Blob(['{"text": "fifth"}\n']) },
    { path: 'e.txt', blob: new Blob(['plain words ', Uint8Array.of(0x35, 0x20, 0x80, 0x20, 0x93, 0xe9, 0x94)]) },
    { path: 'f.txt', blob: new Blob([Uint8Array.of(0xfe, 0xff, 0x00, 0x47, 0x00, 0xfc)]) },
    { path: 'pasted', text: 'sixth' },
  ]);
  expect(textsOf(loaded)).toEqual(['first text', 'second, quoted', 'third & bold', 'fourth', 'fifth', 'plain words 5 € “é”', 'Gü', 'sixth']);
  expect(loaded.report.encodings).toEqual({ 'UTF-8': 6, 'Latin-1': 1, 'UTF-16': 1 });
  expect(loaded.warnings).toEqual([]);
});

it('refuses bombs and broken archives in the browser', async () => {
  const zeros = new Uint8Array(40 * 2 ** 20).fill(97);
  await expect(load([{ path: 'bomb.txt.gz', blob: await gzip(zeros) }])).rejects.toThrow('bomb.txt.gz expands to more than 200 times its size');
  await expect(load([{ path: 'cut.txt.gz', blob: (await gzip('some text '.repeat(500))).slice(0, 40) }])).rejects.toThrow('cut.txt.gz is no complete gzip file');
  await expect(load([{ path: 'cut.zip', blob: (await zip({ 'a.txt': 'text' })).slice(0, 60) }])).rejects.toThrow('cut.zip is no complete zip file');
});

it('lets a cancel through while it reads', async () => {
  const large = new Blob(Array.from({ length: 400 }, (_, part) => Array.from({ length: 6000 }, (_unused, i) => `w${(part * 6000 + i) % 7919}`).join(' ')));
  const cancelling = new AbortController();
  setTimeout(() => cancelling.abort(), 50);
  await expect(load([{ path: 'large.txt', blob: large }], cancelling.signal)).rejects.toMatchObject({ name: 'AbortError' });
});
