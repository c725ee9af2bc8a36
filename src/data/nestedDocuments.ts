// A part of the training documents, for training on less text than there is. Parts are nested: the documents of a smaller one are all in every larger one, so
// that runs on several parts differ by how much text they had and by nothing else.
import { createRandom, shuffle } from '../core/random.ts';
import type { Corpus } from './corpus.ts';

/**
 * The first documents of an order drawn from the seed, as near to the share of all their tokens as whole documents allow, at least one.
 * @param documents document indexes
 * @param share above 0, at most 1: all of them
 * @returns document indexes, ascending
 */
export function nestedDocuments(corpus: Pick<Corpus, 'tokenCountOf'>, documents: readonly number[], share: number, seed: number): number[] {
  const order = shuffle([...documents], createRandom(seed));
  const wanted = share * documents.reduce((sum, document) => sum + corpus.tokenCountOf(document), 0);
  let tokens = 0;
  let taken = 0;
  // A prefix of the order, or parts would not be nested: a document is taken when that brings the part nearer to its share.
  while (taken < order.length && (taken === 0 || tokens + corpus.tokenCountOf(order[taken]) / 2 <= wanted)) tokens += corpus.tokenCountOf(order[taken++]);
  return order.slice(0, taken).sort((a, b) => a - b);
}
