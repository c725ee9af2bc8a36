import { describe, expect, it } from 'vitest';
import { createRandom, shuffle } from '../core/random.ts';
import { comparesNear, Deduplicator, type DuplicateKind } from './deduplicate.ts';
import { nanoTokenizer, prose } from './loading.fixture.ts';
import { MinHasher, SIGNATURE_SIZE, estimateSimilarity } from './minHash.ts';
import { NearDuplicateIndex, rowsPerBand } from './nearDuplicates.ts';
import { DocumentPreparer, preparedDocuments } from './prepareDocuments.ts';

const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

/** The true Jaccard similarity of word 5-shingles. */
function similarity(a: string, b: string): number {
  const shingles = (text: string): Set<string> => {
    const words = wordsOf(text);
    return new Set(words.slice(4).map((_, i) => words.slice(i, i + 5).join(' ')));
  };
  const [left, right] = [shingles(a), shingles(b)];
  const shared = [...left].filter((shingle) => right.has(shingle)).length;
  return shared / (left.size + right.size - shared);
}

/** `text` with about `share` of its words replaced. */
function edited(text: string, share: number, seed: number): string {
  const random = createRandom(seed);
  return text.split(' ').map((word) => (random.next() < share ? `new${random.integer(1e9)}` : word)).join(' ');
}

const signatureOf = (text: string): Uint16Array => {
  const hasher = new MinHasher();
  expect(hasher.compute(text)).toBe(true);
  return hasher.signature.slice();
};

describe('MinHasher', () => {
  it('estimates the Jaccard similarity of long and short texts', () => {
    for (const numWords of [40, 120, 400, 3000]) {
      const errors: number[] = [];
      for (let seed = 0; seed < 40; seed++) {
        const text = prose(seed, numWords);
        const other = edited(text, [0.01, 0.03, 0.06, 0.2][seed % 4], seed + 100);
        errors.push(estimateSimilarity(signatureOf(text), 0, signatureOf(other), 0) - similarity(text, other));
      }
      const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
      expect(Math.abs(mean), `bias at ${numWords} words`).toBeLessThan(0.03);
      expect(Math.max(...errors.map(Math.abs)), `worst error at ${numWords} words`).toBeLessThan(0.2);
    }
  });

  it('looks at words alone: case, punctuation and spacing are nothing', () => {
    expect(signatureOf('One two, three FOUR five six.')).toEqual(signatureOf('one  two three\nfour; five — "six"'));
    expect(signatureOf('one two three four five six')).not.toEqual(signatureOf('one two three four six five'));
  });

  it('has shingles of characters where words are not spaced', () => {
    const a = '機械学習は人工知能の一分野であり、データから学ぶ方法を研究する。'.repeat(2);
    expect(estimateSimilarity(signatureOf(a), 0, signatureOf(`${a}終わり`), 0)).toBeGreaterThan(0.7);
    expect(estimateSimilarity(signatureOf(a), 0, signatureOf('今日はとても良い天気なので、公園へ散歩に行きましょう。'), 0)).toBeLessThan(0.2);
  });

  it('says when there are no words', () => {
    expect(new MinHasher().compute('--- !!! ...')).toBe(false);
    expect(new MinHasher().compute('ok')).toBe(true);
  });
});

describe('NearDuplicateIndex', () => {
  it('chooses bands that hardly miss at the threshold', () => {
    for (const threshold of [0.5, 0.65, 0.8, 0.9, 0.95]) {
      const rows = rowsPerBand(threshold);
      expect((1 - threshold ** rows) ** Math.floor(SIGNATURE_SIZE / rows)).toBeLessThanOrEqual(1e-4);
    }
    expect(rowsPerBand(0.8)).toBe(5);
  });

  it('finds what a comparison with every document finds', () => {
    const index = new NearDuplicateIndex(0.8);
    const kept: Uint16Array[] = [];
    let numNear = 0;
    for (let i = 0; i < 1500; i++) {
      // Every third text is an edit of an earlier one, by more or less.
      const signature = signatureOf(i % 3 === 2 ? edited(prose(i - 2, 80), [0.005, 0.02, 0.05, 0.1][i % 4], i) : prose(i, 80));
      const near = kept.some((other) => estimateSimilarity(signature, 0, other, 0) >= 0.8);
      expect(index.hasNear(signature), `text ${i}`).toBe(near);
      if (near) numNear++;
      else {
        kept.push(signature);
        index.add(signature);
      }
    }
    expect(numNear).toBeGreaterThan(200);
    expect(numNear).toBeLessThan(490);
  });
});

/** What a Deduplicator says of one text after another. */
function deduplicator(threshold: number): (text: string) => DuplicateKind | undefined {
  const preparer = new DocumentPreparer(nanoTokenizer, comparesNear(threshold));
  const seen = new Deduplicator(threshold);
  return (text) => seen.add(preparedDocuments(preparer.prepare([text]))[0]);
}

describe('Deduplicator', () => {
  it('keeps the first and names the kind of the others', () => {
    const seen = deduplicator(0.8);
    const text = prose(1, 300);
    expect(seen(text)).toBeUndefined();
    expect(seen(text.replaceAll('\n', '  '))).toBe('exact');
    expect(seen(`${text} And one more sentence.`)).toBe('near');
    expect(seen(prose(2, 300))).toBeUndefined();
    expect(seen(edited(text, 0.3, 3))).toBeUndefined();
  });

  it('counts composed and decomposed letters as the same, and bytes as given', () => {
    const seen = deduplicator(0.8);
    expect(seen('café')).toBeUndefined();
    expect(seen('cafe\u0301')).toBe('exact');
    expect(seen('Café')).toBe('near');
    expect([...new DocumentPreparer(nanoTokenizer, true).prepare(['café', 'cafe\u0301']).bytes]).toEqual([5, 6]);
  });

  it('drops only equal texts at threshold 1', () => {
    const seen = deduplicator(1);
    expect(seen('One two three four five')).toBeUndefined();
    expect(seen('one two three four five')).toBeUndefined();
    expect(seen('One two  three four five')).toBe('exact');
  });

  it('leaves no near duplicates on two sides of any split', () => {
    const texts = shuffle(Array.from({ length: 300 }, (_, i) => edited(prose(i % 60, 150), [0, 0.002, 0.01, 0.3][i % 4], i)), createRandom(5));
    const seen = deduplicator(0.8);
    const kept = texts.filter((text) => seen(text) === undefined);
    const signatures = kept.map(signatureOf);
    for (let a = 0; a < kept.length; a++) {
      for (let b = 0; b < a; b++) {
        expect(estimateSimilarity(signatures[a], 0, signatures[b], 0)).toBeLessThan(0.8);
        // The estimate has an error of its own; nothing clearly over the threshold is left.
        expect(similarity(kept[a], kept[b])).toBeLessThan(0.9);
      }
    }
    expect(kept.length).toBeLessThan(200);
    expect(kept.length).toBeGreaterThanOrEqual(60);
  });

  it('stays quick when thousands of documents share most of their text', () => {
    const boilerplate = prose(1, 120);
    const seen = deduplicator(0.8);
    const start = performance.now();
    for (let i = 0; i < 4000; i++) seen(`${boilerplate} ${prose(i + 10, 80)}`);
    expect(performance.now() - start).toBeLessThan(20_000);
  });
});
