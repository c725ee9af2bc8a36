import { describe, expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import { HASH_BYTES } from './contentHash.ts';
import { Corpus, documentTokens } from './corpus.ts';
import { nanoTokenizer } from './loading.fixture.ts';
import { splitCorpus, splitOf } from './split.ts';

function corpusOf(lengths: readonly number[], vocabSize = 4096): Corpus {
  const corpus = new Corpus({ vocabSize, tokenBytes: nanoTokenizer.tokenBytes });
  lengths.forEach((length, i) => corpus.append({ path: 'f.jsonl', part: i + 1, bytes: 3 * length, hash: new Uint8Array(HASH_BYTES).fill(i) }, Uint32Array.from({ length }, (_, t) => (i * 31 + t) % vocabSize)));
  return corpus;
}

const config = { validationShare: 0.1, testShare: 0.1, seed: 1 };
const sizes = (lengths: readonly number[], settings = config): number[] => {
  const { documents } = splitCorpus(corpusOf(lengths), settings);
  return [documents.train, documents.validation, documents.test].map((side) => side.length);
};

describe('Corpus', () => {
  it.each([4096, 100_000])('gives back what was appended, over chunk borders, with %s token ids', (vocabSize) => {
    const lengths = [5, 1 << 20, 0, 3, (1 << 20) + 7, 1];
    const corpus = corpusOf(lengths, vocabSize);
    expect(corpus.numTokens).toBe(lengths.reduce((sum, length) => sum + length));
    lengths.forEach((length, i) => {
      const expected = Uint32Array.from({ length }, (_, t) => (i * 31 + t) % vocabSize);
      expect(Buffer.from(documentTokens(corpus, i).buffer).equals(Buffer.from(expected.buffer))).toBe(true);
    });
    expect(Array.from(documentTokens(corpus, 4, 3))).toEqual([124, 125, 126]);
    expect(corpus.document(3)).toMatchObject({ path: 'f.jsonl #4', startToken: (1 << 20) + 5, numTokens: 3, bytes: 9, hash: '03'.repeat(16) });
    expect(() => corpus.document(6)).toThrow('document 6 of 6');
  });

  it('has a fingerprint of content, order and settings', () => {
    const prints = [corpusOf([5, 6]).fingerprint('a'), corpusOf([6, 5]).fingerprint('a'), corpusOf([5, 6]).fingerprint('b'), corpusOf([5]).fingerprint('a')];
    expect(new Set(prints).size).toBe(4);
    expect(corpusOf([5, 6]).fingerprint('a')).toBe(prints[0]);
    expect(prints[0]).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('splitCorpus', () => {
  const random = createRandom(9);
  const lengths = Array.from({ length: 500 }, () => 20 + random.integer(400));

  it('gives every document to exactly one side, near the shares by tokens', () => {
    const corpus = corpusOf(lengths);
    for (const [validationShare, testShare] of [[0.1, 0.1], [0.02, 0.4], [0.3, 0.05]]) {
      const split = splitCorpus(corpus, { validationShare, testShare, seed: 3 });
      const { train, validation, test } = split.documents;
      expect([...train, ...validation, ...test].sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
      const share = (documents: readonly number[]): number => documents.reduce((sum, i) => sum + lengths[i], 0) / corpus.numTokens;
      expect(Math.abs(share(validation) - validationShare)).toBeLessThan(0.01);
      expect(Math.abs(share(test) - testShare)).toBeLessThan(0.01);
      expect(train.map((i) => splitOf(split, i))).toEqual(train.map(() => 'train'));
      expect([splitOf(split, validation[0]), splitOf(split, test[0])]).toEqual(['validation', 'test']);
    }
  });

  it('repeats from the seed, and test does not move with the validation share', () => {
    const corpus = corpusOf(lengths);
    expect(splitCorpus(corpus, config)).toEqual(splitCorpus(corpus, config));
    expect(splitCorpus(corpus, { ...config, seed: 2 })).not.toEqual(splitCorpus(corpus, config));
    expect(splitCorpus(corpus, { ...config, validationShare: 0.3 }).documents.test).toEqual(splitCorpus(corpus, config).documents.test);
  });

  it('has a document on every side from three on', () => {
    expect(sizes([10, 10, 10])).toEqual([1, 1, 1]);
    expect(sizes([10, 10, 10], { ...config, validationShare: 0.4, testShare: 0.4 })).toEqual([1, 1, 1]);
    expect(sizes([1000, 1, 1])).toEqual([1, 1, 1]);
    expect(sizes([1000, 1000, 1000, 5])).toEqual([2, 1, 1]);
    expect(sizes([10, 10])).toEqual([1, 1, 0]);
    expect(sizes([10])).toEqual([1, 0, 0]);
    expect(sizes([])).toEqual([0, 0, 0]);
  });

  it('gives a small side the shortest document when all are long', () => {
    const { documents } = splitCorpus(corpusOf([900, 800, 100, 900, 900]), { ...config, validationShare: 0.02, testShare: 0.02 });
    expect(documents.test).toEqual([2]);
  });
});
