// A tokenized text as two values that a browser stores: its tokens in one buffer, its documents and split as JSON. So a run can be taken up again without the
// files it was made from. No text is kept, but tokens are text to whoever has the tokenizer: this is the user's data and stays in their browser.
import { hexToBytes } from '@noble/hashes/utils.js';
import { UserError } from '../core/invariant.ts';
import type { TextTokenizer } from '../tokenizer/tokenizer.ts';
import { hexOf } from './contentHash.ts';
import { Corpus } from './corpus.ts';
import type { CorpusSplit } from './split.ts';

interface StoredDocument {
  readonly path: string;
  readonly part: number;
  readonly numTokens: number;
  readonly bytes: number;
  /** Hex. */
  readonly hash: string;
}

export interface StoredText {
  /** JSON. */
  readonly description: { readonly documents: readonly StoredDocument[]; readonly split: CorpusSplit; readonly bytesPerToken: 2 | 4 };
  /** Token ids of all documents in order, little-endian unsigned integers. */
  readonly content: ArrayBuffer;
}

export function storedText(corpus: Corpus, split: CorpusSplit, vocabSize: number): StoredText {
  const tokens = vocabSize > 65536 ? new Uint32Array(corpus.numTokens) : new Uint16Array(corpus.numTokens);
  const documents: StoredDocument[] = [];
  let filled = 0;
  for (let index = 0; index < corpus.numDocuments; index++) {
    const { file, part, numTokens, bytes, hash } = corpus.record(index);
    const ids = new Uint32Array(numTokens);
    corpus.copyTokens(index, 0, numTokens, ids, 0);
    tokens.set(ids, filled);
    filled += numTokens;
    documents.push({ path: file, part, numTokens, bytes, hash: hexOf(hash) });
  }
  return { description: { documents, split, bytesPerToken: tokens.BYTES_PER_ELEMENT as 2 | 4 }, content: tokens.buffer };
}

/** @throws UserError when the buffer is not as long as its description says */
export function restoredText({ description: { documents, split, bytesPerToken }, content }: StoredText, tokenizer: Pick<TextTokenizer, 'vocabSize' | 'tokenBytes'>): { corpus: Corpus; split: CorpusSplit } {
  const tokens = bytesPerToken === 4 ? new Uint32Array(content) : new Uint16Array(content);
  if (documents.reduce((sum, { numTokens }) => sum + numTokens, 0) !== tokens.length) throw new UserError('The text kept with this run is damaged: it has another length than its documents.');
  const corpus = new Corpus(tokenizer);
  let start = 0;
  for (const { path, part, numTokens, bytes, hash } of documents) {
    corpus.append({ path, part, bytes, hash: hexToBytes(hash) }, Uint32Array.from(tokens.subarray(start, start + numTokens)));
    start += numTokens;
  }
  return { corpus, split };
}
