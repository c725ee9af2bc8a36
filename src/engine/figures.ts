// Losses as the window shows them and as runs keep them.
import { perplexityInterval } from '../comparison/bootstrap.ts';
import type { RunTestFigure } from '../config/runRecord.ts';
import type { EvaluationResult } from '../training/evaluation.ts';
import type { LossFigure } from '../protocol/events.ts';

/** Seed of the bootstrap over documents. */
const INTERVAL_SEED = 1;

/** Nats per token to perplexity (exp) and bits per byte of the UTF-8 text. */
export function lossFigure({ loss, nats, tokens, bytes }: EvaluationResult): LossFigure {
  return { loss, perplexity: Math.exp(loss), bitsPerByte: nats / Math.LN2 / bytes, tokens };
}

/** The loss on the test documents with all it takes to compute it again. @param hash of the weights (formats/weightsHash.ts) */
export function testFigure(result: EvaluationResult, hash: string): RunTestFigure {
  const { documents, bytes } = result;
  return {
    ...lossFigure(result), bytes, interval: perplexityInterval(documents, INTERVAL_SEED), intervalSeed: INTERVAL_SEED, documents: documents.length, weightsHash: hash,
    documentNats: documents.map(({ nats }) => nats), documentTokens: documents.map(({ tokens }) => tokens),
  };
}
