// Losses as the window shows them.
import type { EvaluationResult } from '../training/evaluation.ts';
import type { LossFigure } from '../protocol/events.ts';

/** Nats per token to perplexity (exp) and bits per byte of the UTF-8 text. */
export function lossFigure({ loss, nats, tokens, bytes }: EvaluationResult): LossFigure {
  return { loss, perplexity: Math.exp(loss), bitsPerByte: nats / Math.LN2 / bytes, tokens };
}
