// Merging against the definition, carried out with strings: the pair of lowest rank first, the leftmost of equals.
import { describe, expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import { BYTE_CHARACTERS } from './byteLevel.ts';
import { MergeTable } from './mergeTable.ts';
import { WordMerger } from './wordMerger.ts';

/** All bytes, and what `merges` make. */
function vocabularyOf(merges: readonly (readonly [string, string])[]): Record<string, number> {
  const names = [...new Set([...BYTE_CHARACTERS, ...merges.map(([left, right]) => left + right)])];
  return Object.fromEntries(names.map((name, id) => [name, id]));
}

function mergeByDefinition(word: string, merges: readonly (readonly [string, string])[], vocabulary: Record<string, number>): number[] {
  const ranks = new Map(merges.map((merge, rank) => [merge.join(' '), rank]));
  let parts = Array.from(word);
  for (;;) {
    const rankOf = (i: number): number => (i + 1 < parts.length ? ranks.get(`${parts[i]} ${parts[i + 1]}`) ?? Infinity : Infinity);
    const best = parts.reduce((least, _, i) => (rankOf(i) < rankOf(least) ? i : least), 0);
    if (rankOf(best) === Infinity) return parts.map((part) => vocabulary[part]);
    parts = [...parts.slice(0, best), parts[best] + parts[best + 1], ...parts.slice(best + 2)];
  }
}

/** Merges of random neighbours, so that many compete for the same letters. */
function randomMerges(seed: number): [string, string][] {
  const random = createRandom(seed);
  const parts = ['a', 'b', 'c'];
  const merges: [string, string][] = [];
  while (merges.length < 40) {
    const [left, right] = [parts[random.integer(parts.length)], parts[random.integer(parts.length)]];
    if (merges.some(([l, r]) => l === left && r === right)) continue;
    merges.push([left, right]);
    parts.push(left + right);
  }
  // The order of making is not the order of rank, as with a trained vocabulary it would be.
  return merges.map((merge) => ({ merge, key: random.integer(1000) })).sort((a, b) => a.key - b.key).map(({ merge }) => merge);
}

function mergedBy(merger: WordMerger, word: string): number[] {
  const bytes = new TextEncoder().encode(word);
  const ids = new Uint32Array(bytes.length + 1);
  return [...ids.subarray(1, merger.merge(bytes, 0, bytes.length, ids, 1))];
}

describe('WordMerger', () => {
  it('merges words of every length, below and above the limit of scanning, by the definition', () => {
    for (let seed = 0; seed < 12; seed++) {
      const merges = randomMerges(seed);
      const vocabulary = vocabularyOf(merges);
      const merger = new WordMerger(MergeTable.of(vocabulary, { merges })!);
      const random = createRandom(100 + seed);
      for (const length of [1, 2, 3, 5, 8, 13, 40, 63, 64, 65, 66, 150]) {
        for (const letters of ['abc', 'ab', 'a']) {
          const word = Array.from({ length }, () => letters[random.integer(letters.length)]).join('');
          expect(mergedBy(merger, word), `seed ${seed}: ${word}`).toEqual(mergeByDefinition(word, merges, vocabulary));
        }
      }
    }
  });

  it('takes time about in proportion to a very long word', () => {
    const merges: [string, string][] = [['a', 'a'], ['aa', 'aa'], ['aaaa', 'aaaa']];
    const merger = new WordMerger(MergeTable.of(vocabularyOf(merges), { merges })!);
    const start = performance.now();
    expect(mergedBy(merger, 'a'.repeat(2 ** 20))).toHaveLength(2 ** 17);
    // Quadratic work would take half an hour.
    expect(performance.now() - start).toBeLessThan(20_000);
  });
});

describe('MergeTable', () => {
  const merges: [string, string][] = [['a', 'b'], ['ab', 'c']];
  const vocabulary = vocabularyOf(merges);

  it('reads merges as pairs and as lines', () => {
    const [pairs, lines] = [MergeTable.of(vocabulary, { merges })!, MergeTable.of(vocabulary, { merges: ['a b', 'ab c'] })!];
    for (const table of [pairs, lines]) expect(mergedBy(new WordMerger(table), 'abcab')).toEqual([vocabulary.abc, vocabulary.ab]);
  });

  it.each<[string, Record<string, number>, object]>([
    ['ignores merges for whole words', vocabulary, { merges, ignore_merges: true }],
    ['drops merges at random', vocabulary, { merges, dropout: 0.1 }],
    ['lacks a byte', Object.fromEntries(Object.entries(vocabulary).filter(([name]) => name !== 'z')), { merges }],
    ['makes what it has no id for', vocabulary, { merges: [['a', 'c']] }],
    ['merges what it has no id for', vocabulary, { merges: [['constructor', 'b']] }],
    ['gives two entries one id', { ...vocabulary, abc: 0 }, { merges }],
    ['has no merges', vocabulary, {}],
  ])('is none for a model that %s', (_what, vocab, model) => {
    expect(MergeTable.of(vocab, model)).toBeUndefined();
  });
});
