import { describe, expect, it } from 'vitest';
import { dot, expectGradient, randomNormals } from '../testing/gradcheck.ts';
import { embeddingBackward, embeddingForward } from './embedding.ts';

const CASES = [
  { tokens: [3, 0, 3, 3, 1], V: 5, C: 7 },
  { tokens: [0], V: 1, C: 3 },
  { tokens: [2, 1], V: 3, C: 1 },
];

describe('embedding', () => {
  it('copies the rows of the tokens', () => {
    expect([...embeddingForward([2, 0], [1, 2, 3, 4, 5, 6], { C: 2 })]).toEqual([5, 6, 1, 2]);
  });

  it.each(CASES)('backward equals finite differences for $tokens', ({ tokens, V, C }) => {
    const table = randomNormals(V * C, 1);
    const dx = randomNormals(tokens.length * C, 2);
    expectGradient({
      what: 'dTable',
      loss: () => dot(embeddingForward(tokens, table, { C }), dx),
      values: table,
      gradient: embeddingBackward(tokens, dx, { V, C }),
    });
  });
});
