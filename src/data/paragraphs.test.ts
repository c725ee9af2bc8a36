import { describe, expect, it } from 'vitest';
import { prose } from './loading.fixture.ts';
import { cutAtParagraphs, takePieces } from './paragraphs.ts';

describe('cutAtParagraphs', () => {
  it('loses nothing and keeps to the target', () => {
    for (const text of [prose(1, 5000), prose(2, 5000).replaceAll('\n\n', ' '), 'x'.repeat(10_000), '👍'.repeat(5000), 'a\n'.repeat(4000), '\n'.repeat(9000)]) {
      const pieces = cutAtParagraphs(text, 1000);
      expect(pieces.join('')).toBe(text);
      expect(pieces.length).toBeGreaterThan(3);
      for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(2001);
    }
  });

  it('prefers blank lines, then line ends, then sentences, then spaces', () => {
    expect(cutAtParagraphs(prose(3, 3000), 1500).slice(0, -1).every((piece) => piece.endsWith('\n\n'))).toBe(true);
    expect(cutAtParagraphs('one two.\n'.repeat(300), 500).every((piece) => piece.endsWith('\n'))).toBe(true);
    expect(cutAtParagraphs('one two. '.repeat(300), 500).every((piece) => piece.endsWith('. '))).toBe(true);
    expect(cutAtParagraphs('onetwo '.repeat(300), 500).every((piece) => piece.endsWith(' '))).toBe(true);
  });

  it('never cuts a surrogate pair', () => {
    for (const piece of cutAtParagraphs(`x${'👍'.repeat(3000)}`, 1000)) expect(new TextDecoder().decode(new TextEncoder().encode(piece))).toBe(piece);
  });

  it('leaves a short text whole', () => {
    expect(cutAtParagraphs('short', 1000)).toEqual(['short']);
    expect(cutAtParagraphs('', 1000)).toEqual([]);
    expect(takePieces('x'.repeat(2000), 1000)).toEqual({ pieces: [], rest: 'x'.repeat(2000) });
  });
});
