import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { file, gzip, load, nanoTokenizer, pathsOf, prose, textsOf, zip } from './loading.fixture.ts';
import type { LoadProgress } from './loadCorpus.ts';
import { splitCorpus } from './split.ts';
import { lengthHistogram, previewDocument, summarizeCorpus } from './summary.ts';

const config = { validationShare: 0.1, testShare: 0.1, seed: 1 };

describe('loadCorpus', () => {
  it('cuts a single long text at paragraphs and loses nothing of it', async () => {
    const text = prose(1, 12_000);
    const loaded = await load([file('book.txt', text)]);
    expect(loaded.corpus.numDocuments).toBeGreaterThanOrEqual(8);
    expect(pathsOf(loaded)[1]).toBe('book.txt #2');
    expect(textsOf(loaded).join('').replace(/\s+/g, '')).toBe(text.replace(/\s+/g, ''));
    expect(textsOf(loaded).slice(0, -1).every((piece) => piece.endsWith('.'))).toBe(true);
    const { documents } = splitCorpus(loaded.corpus, config);
    expect([documents.train, documents.validation, documents.test].every((side) => side.length > 0)).toBe(true);
  });

  it('cuts a short single text finer, so that it can be split too', async () => {
    const loaded = await load([file('note.txt', prose(2, 1200))]);
    expect(loaded.corpus.numDocuments).toBeGreaterThanOrEqual(5);
  });

  it('leaves many documents whole, and cuts one that outweighs the rest', async () => {
    const letters = Array.from({ length: 30 }, (_, i) => file(`${i}.txt`, prose(i + 10, 300)));
    expect((await load(letters)).corpus.numDocuments).toBe(30);
    const withBook = await load([...letters, file('book.txt', prose(3, 20_000))]);
    expect(withBook.corpus.numDocuments).toBeGreaterThan(40);
    expect(pathsOf(withBook).slice(0, 30)).toEqual(letters.map(({ path }) => path));
  });

  it('streams a text too long to hold in pieces', async () => {
    const loaded = await load([file('huge.txt', new Blob(Array.from({ length: 12 }, (_, i) => `${prose(i, 15_000)}\n\n`)))]);
    expect(loaded.corpus.numDocuments).toBeGreaterThan(100);
    for (let i = 0; i < loaded.corpus.numDocuments; i++) expect(loaded.corpus.byteCountOf(i)).toBeLessThanOrEqual(2 * 8192);
  });

  it('drops and counts duplicates across files, the first one staying', async () => {
    const text = prose(4, 400);
    const others = Array.from({ length: 12 }, (_, i) => file(`${i}.txt`, prose(i + 50, 200)));
    const loaded = await load([file('a.txt', text), file('copy.txt', `\uFEFF${text.replaceAll('\n', '\r\n')}\r\n`), file('almost.md', `${text} One more line.`), ...others]);
    expect([loaded.exactDuplicates, loaded.nearDuplicates, loaded.corpus.numDocuments]).toEqual([1, 1, 13]);
    expect(pathsOf(loaded)[0]).toBe('a.txt');
  });

  it('drops repeats within a single text once it is cut', async () => {
    const chapter = prose(5, 12_000);
    const once = await load([file('book.txt', [prose(6, 3000), chapter, prose(7, 3000)].join('\n\n'))]);
    const thrice = await load([file('book.txt', [prose(6, 3000), chapter, prose(7, 3000), chapter, prose(8, 700), chapter].join('\n\n'))]);
    expect(once.nearDuplicates + once.exactDuplicates).toBe(0);
    // The cuts agree again a few pieces into each repetition; what lies before stays.
    expect(thrice.nearDuplicates + thrice.exactDuplicates).toBeGreaterThan(6);
    expect(thrice.corpus.bytes).toBeLessThan(1.8 * once.corpus.bytes);
  });

  it('reports progress in bytes as given, never falling and ending at the total', async () => {
    for (const source of [file('a.txt', prose(9, 60_000)), file('a.txt.gz', await gzip(prose(9, 60_000))), file('a.zip', await zip({ 'x.txt': prose(9, 60_000), 'y.txt': prose(10, 60_000) }))]) {
      const told: LoadProgress[] = [];
      const loaded = await load([source], { onProgress: (progress) => told.push(progress) });
      const size = 'blob' in source ? source.blob.size : 0;
      expect(told.length).toBeGreaterThan(2);
      expect(told.every((progress, i) => progress.bytesTotal === size && progress.path.startsWith('a.') && (i === 0 || progress.bytesRead >= told[i - 1].bytesRead))).toBe(true);
      expect(told[told.length - 1]).toMatchObject({ stage: 'tokenizing', bytesRead: size, documents: loaded.corpus.numDocuments });
    }
  });

  it('gives the same tokens and fingerprint for the same content in another wrapping', async () => {
    const lines = Array.from({ length: 20 }, (_, i) => JSON.stringify({ text: prose(i + 100, 120) })).join('\n');
    const plain = await load([file('a.jsonl', lines)]);
    const packed = await load([file('b.zip', await zip({ 'c.jsonl': lines }))]);
    const fingerprint = (loaded: typeof plain): string => summarizeCorpus(loaded, splitCorpus(loaded.corpus, config), config).fingerprint;
    expect(fingerprint(packed)).toBe(fingerprint(plain));
    expect(summarizeCorpus(plain, splitCorpus(plain.corpus, config), { ...config, seed: 2 }).fingerprint).not.toBe(fingerprint(plain));
  });

  it('tokenizes the text "<|endoftext|>" as text', async () => {
    const loaded = await load([file('a.txt', 'one <|endoftext|> two')]);
    expect(textsOf(loaded)).toEqual(['one <|endoftext|> two']);
    const tokens = new Uint32Array(loaded.corpus.numTokens);
    loaded.corpus.copyTokens(0, 0, tokens.length, tokens, 0);
    expect([...tokens]).not.toContain(nanoTokenizer.endOfText);
  });
});

describe('summary and preview of the bundled sample', () => {
  const sample = readFileSync(resolve(import.meta.dirname, '../../public/samples/tide-mill.jsonl'));

  it('adds up', async () => {
    const loaded = await load([file('tide-mill.jsonl', new Blob([sample]))]);
    const split = splitCorpus(loaded.corpus, config);
    const summary = summarizeCorpus(loaded, split, config);
    const lines = sample.toString('utf8').trim().split('\n').length;
    expect(summary).toMatchObject({ files: 1, bytesRead: sample.length, documents: lines, exactDuplicates: 0, encodings: { 'UTF-8': 1 }, warnings: [] });
    expect(summary.fields).toEqual([{ path: 'tide-mill.jsonl', fields: ['title', 'text'], chosen: 'text' }]);
    const sides = Object.values(summary.splits);
    for (const key of ['documents', 'tokens', 'bytes'] as const) expect(sides.reduce((sum, side) => sum + side[key], 0)).toBe(summary[key]);
    expect(summary.bytesPerToken).toBeCloseTo(summary.bytes / summary.tokens, 12);
    expect(summary.lengthHistogram.reduce((sum, bin) => sum + bin.count, 0)).toBe(lines);
  });

  it('shows the beginning of a document as tokens', async () => {
    const loaded = await load([file('tide-mill.jsonl', new Blob([sample]))]);
    const split = splitCorpus(loaded.corpus, config);
    const preview = previewDocument(loaded.corpus, split, nanoTokenizer, split.documents.test[0]);
    expect(preview).toMatchObject({ document: split.documents.test[0], split: 'test', path: `tide-mill.jsonl #${split.documents.test[0] + 1}` });
    const text = textsOf(loaded)[preview.document];
    expect(preview.truncated).toBe(preview.numTokens > 400);
    expect(text.startsWith(preview.tokens.slice(0, 50).join(''))).toBe(true);
    expect(() => previewDocument(loaded.corpus, split, nanoTokenizer, 99_999)).toThrow('There is no document 100000: the data set has');
  });
});

describe('lengthHistogram', () => {
  it('covers every length once, in bins that grow', () => {
    for (const lengths of [[5], [1, 1, 1], [0, 3], [1, 10, 100, 1000, 10_000], Array.from({ length: 1000 }, (_, i) => i * i)]) {
      const bins = lengthHistogram(lengths);
      expect(bins.reduce((sum, bin) => sum + bin.count, 0)).toBe(lengths.length);
      expect(bins.length).toBeLessThanOrEqual(20);
      bins.forEach((bin, i) => {
        expect(bin.to).toBeGreaterThan(bin.from);
        if (i > 0) expect(bin.from).toBe(bins[i - 1].to);
        expect(bin.count).toBe(lengths.filter((length) => (length >= bin.from || i === 0) && length < bin.to).length);
      });
    }
    expect(lengthHistogram([])).toEqual([]);
  });
});
