// Nested parts of the training documents.
import { describe, expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import { nestedDocuments } from './nestedDocuments.ts';

const random = createRandom(3);
const LENGTHS = Array.from({ length: 400 }, () => 20 + random.integer(500));
const corpus = { tokenCountOf: (document: number) => LENGTHS[document] };
const DOCUMENTS = LENGTHS.map((_, document) => document).filter((document) => document % 5 !== 0);
const tokensOf = (documents: readonly number[]): number => documents.reduce((sum, document) => sum + LENGTHS[document], 0);

describe('nested documents', () => {
  it('has every smaller part inside every larger one', () => {
    const parts = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1].map((share) => nestedDocuments(corpus, DOCUMENTS, share, 7));
    for (const [index, part] of parts.slice(1).entries()) expect(parts[index].every((document) => part.includes(document))).toBe(true);
    expect(parts.at(-1)).toEqual(DOCUMENTS);
  });

  it('is near its share of the tokens, from the training documents alone, ascending and without repeats', () => {
    for (const share of [0.1, 0.25, 0.5, 0.9]) {
      const part = nestedDocuments(corpus, DOCUMENTS, share, 7);
      expect(Math.abs(tokensOf(part) / tokensOf(DOCUMENTS) - share)).toBeLessThan(520 / tokensOf(DOCUMENTS));
      expect(part.every((document, i) => DOCUMENTS.includes(document) && (i === 0 || document > part[i - 1]))).toBe(true);
    }
  });

  it('repeats from its seed and differs with another', () => {
    expect(nestedDocuments(corpus, DOCUMENTS, 0.3, 7)).toEqual(nestedDocuments(corpus, DOCUMENTS, 0.3, 7));
    expect(nestedDocuments(corpus, DOCUMENTS, 0.3, 7)).not.toEqual(nestedDocuments(corpus, DOCUMENTS, 0.3, 8));
  });

  it('has at least one document', () => {
    expect(nestedDocuments(corpus, DOCUMENTS, 1e-9, 7)).toHaveLength(1);
  });
});
