// The cutter against the pattern it stands for, run by JavaScript's own engine.
import { describe, expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import { endOfWord } from './wordEnds.ts';

/** GPT-2's pattern, with what Unicode calls white space for \s. */
const PATTERN = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function wordsOf(text: string): string[] {
  const bytes = utf8(text);
  const words: string[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = endOfWord(bytes, start, bytes.length);
    expect(end).toBeGreaterThan(start);
    words.push(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(start, end)));
    start = end;
  }
  return words;
}

const patternWords = (text: string): string[] => text.match(PATTERN) ?? [];

describe('endOfWord', () => {
  it.each([
    "it's I'll we've they're he'd I'm don't 'tis 'S 'l l' '", "''s'' 're'v'ell'", ' \'s \'ll', 'a  b   c \n d\n\ne\t', '   ', ' ', '\n', 'x ', 'x  ', ' \u3000x', '\u3000 x', '\u3000\u3000x',
    '\u0085a\u00a0b\ufeffc\u2028\u2029d', ' \u0301e\u0301', '٣½Ⅷ²x9', ' ½', '😀 😀😀', ' 𝟘𝐀 𠀀', '\ud7ff\ue000\uffff', '\u0000 \u0000\u0001', '\r\n\r\n x', '\u180e\u200b\u2000x',
  ])('cuts %j as the pattern does', (text) => {
    expect(wordsOf(text)).toEqual(patternWords(text));
  });

  it('puts every character of Unicode into the pattern\'s class', () => {
    // After a letter and before a digit a character shows its class by what it joins.
    const differing: string[] = [];
    for (let page = 0; page < 0x110000; page += 0x100) {
      if (page >= 0xd800 && page < 0xe000) continue;
      const text = Array.from({ length: 0x100 }, (_, i) => `a${String.fromCodePoint(page + i)}1 `).join('');
      const bytes = utf8(text);
      const ends: number[] = [];
      for (let at = 0; at < bytes.length; ends.push(at)) at = endOfWord(bytes, at, bytes.length);
      let end = 0;
      const expected = patternWords(text).map((word) => (end += utf8(word).length));
      if (ends.join() !== expected.join()) differing.push(page.toString(16));
    }
    expect(differing).toEqual([]);
  });

  it('cuts random mixtures as the pattern does', () => {
    const pieces = [' ', ' ', '  ', '\n', '\r\n', '\t', '\u0085', '\ufeff', '\u00a0', '\u2003', "'", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", 'a', 'word', 'É', 'ß', '中', '9', '42', '½', '٣', '.', '--', '€', '👩‍👩‍👧‍👦', '\u0301', '\u0000', '𠀀'];
    const random = createRandom(7);
    for (let round = 0; round < 3000; round++) {
      const text = Array.from({ length: 1 + random.integer(24) }, () => pieces[random.integer(pieces.length)]).join('');
      expect(wordsOf(text), JSON.stringify(text)).toEqual(patternWords(text));
    }
  });
});
