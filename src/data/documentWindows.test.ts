import { expect, it } from 'vitest';
import { Corpus } from './corpus.ts';
import { documentWindows } from './documentWindows.ts';

function corpusOf(lengths: number[]): Corpus {
  const corpus = new Corpus({ vocabSize: 1000, tokenBytes: () => undefined });
  let next = 0;
  for (const length of lengths) corpus.append({ path: 'a', part: 0, bytes: length, hash: new Uint8Array(16) }, Uint32Array.from({ length }, () => next++ % 1000));
  return corpus;
}

it('cuts every document by itself and keeps every token', () => {
  const corpus = corpusOf([10, 3, 8]);
  const { windows, count } = documentWindows(corpus, [0, 1, 2], 4, Infinity);
  const all = [...windows].map((window) => window.length);
  expect(all).toEqual([4, 4, 2, 3, 4, 4]);
  expect(count).toBe(6);
});

it('takes evenly spaced windows from a text that has more', () => {
  const corpus = corpusOf([40]);
  const { windows, count } = documentWindows(corpus, [0], 4, 5);
  expect([...windows].map((window) => window[0])).toEqual([0, 8, 16, 24, 32]);
  expect(count).toBe(5);
});
