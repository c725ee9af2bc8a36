import { describe, expect, it } from 'vitest';
import type { RawDocument } from './document.ts';
import { nanoTokenizer, prose } from './loading.fixture.ts';
import { Pace } from './pace.ts';
import { inOrder, onThisThread, type CleanDocument, type Preparation } from './preparation.ts';
import { DocumentPreparer, preparedDocuments, type PreparedBatch } from './prepareDocuments.ts';

const preparer = new DocumentPreparer(nanoTokenizer, true);

async function* documentsOf(texts: readonly string[]): AsyncGenerator<RawDocument[], void, void> {
  for (const [i, text] of texts.entries()) yield [{ path: 'a.jsonl', part: i + 1, text }];
}

/** Prepares on this thread, but answers after a random while, and counts what is under way. */
function slowPreparation(maxBatches: number): Preparation & { peakCharacters: number; peakBatches: number } {
  let characters = 0;
  let batches = 0;
  const preparation = {
    maxBatches, peakCharacters: 0, peakBatches: 0,
    async prepare(texts: readonly string[]): Promise<PreparedBatch> {
      const length = texts.reduce((sum, text) => sum + text.length, 0);
      characters += length;
      batches++;
      preparation.peakCharacters = Math.max(preparation.peakCharacters, characters);
      preparation.peakBatches = Math.max(preparation.peakBatches, batches);
      await new Promise((resolve) => setTimeout(resolve, 20 * Math.random()));
      characters -= length;
      batches--;
      return preparer.prepare(texts);
    },
  };
  return preparation;
}

/** Typed arrays compare slowly as they are. */
const described = ({ path, part, text, prepared: { bytes, hash, signature, tokens } }: CleanDocument): string => [path, part, text, bytes, hash.join(), signature?.join(), tokens.join()].join('\n');

async function collect(documents: AsyncIterable<CleanDocument[]>): Promise<CleanDocument[]> {
  const all: CleanDocument[] = [];
  for await (const batch of documents) all.push(...batch);
  return all;
}

describe('inOrder', () => {
  const texts = Array.from({ length: 60 }, (_, i) => prose(i, 200).repeat(20 + (i % 7) * 10));

  it('gives the same documents in the same order however long batches take, and bounds what is under way', async () => {
    const expected = await collect(inOrder(documentsOf(texts), onThisThread(preparer), new Pace()));
    const slow = slowPreparation(4);
    expect((await collect(inOrder(documentsOf(texts), slow, new Pace()))).map(described)).toEqual(expected.map(described));
    expect(expected.map(({ part }) => part)).toEqual(texts.map((_, i) => i + 1));
    expect(texts.join('').length).toBeGreaterThan(3e6);
    expect(slow.peakBatches).toBe(4);
    expect(slow.peakCharacters).toBeLessThan(4 * (2 ** 18 + Math.max(...texts.map(({ length }) => length))));
  });

  it('cleans, and leaves blank documents out', async () => {
    const documents = await collect(inOrder(documentsOf(['\uFEFF a\r\nb \n', ' \n', '', 'c']), onThisThread(preparer), new Pace()));
    expect(documents.map(({ part, text }) => [part, text])).toEqual([[1, 'a\nb'], [4, 'c']]);
    expect(documents.map(({ prepared }) => nanoTokenizer.decode(prepared.tokens))).toEqual(['a\nb', 'c']);
  });

  it('stops when it is cancelled, with batches under way', async () => {
    const cancelling = new AbortController();
    setTimeout(() => cancelling.abort(), 5);
    await expect(collect(inOrder(documentsOf(texts), slowPreparation(4), new Pace(cancelling.signal)))).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('fails as its preparation fails', async () => {
    const failing: Preparation = { maxBatches: 3, prepare: () => Promise.reject(new Error('no more')) };
    await expect(collect(inOrder(documentsOf(texts), failing, new Pace()))).rejects.toThrow('no more');
  });
});

describe('DocumentPreparer', () => {
  it('packs several documents so that they come out as each alone', () => {
    const texts = [prose(1, 50), '...', prose(2, 3), 'naïve 👍🏽 cafe\u0301'];
    const together = preparedDocuments(preparer.prepare(texts));
    expect(together).toEqual(texts.flatMap((text) => preparedDocuments(preparer.prepare([text]))));
    expect(together.map(({ signature }) => signature !== undefined)).toEqual([true, false, true, true]);
    expect(together.map(({ bytes }) => bytes)).toEqual(texts.map((text) => Buffer.byteLength(text)));
    expect(together.map(({ tokens }) => nanoTokenizer.decode(tokens))).toEqual(texts);
  });

  it('makes no signatures when nobody compares', () => {
    const [document] = preparedDocuments(new DocumentPreparer(nanoTokenizer, false).prepare([prose(1, 50)]));
    expect(document.signature).toBeUndefined();
  });

  it('keeps ids above 65,535', () => {
    const wide = { vocabSize: 100_000, encode: () => Uint32Array.of(70_000, 1) };
    expect([...preparedDocuments(new DocumentPreparer(wide, true).prepare(['x']))[0].tokens]).toEqual([70_000, 1]);
  });
});
