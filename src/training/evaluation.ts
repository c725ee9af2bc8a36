// Loss on held-out text: every target is predicted exactly once, in windows of the run's length, and its nats are booked to its document.
import type { SmallModel } from '../model/smallModel.ts';
import { IGNORED_TARGET, type EvaluationText } from '../data/windows.ts';
import type { DocumentLoss } from '../comparison/bootstrap.ts';
import { NotFiniteError } from './stepper.ts';

export interface EvaluationResult {
  /** Mean nats per token. */
  readonly loss: number;
  readonly nats: number;
  readonly tokens: number;
  readonly bytes: number;
  readonly documents: readonly DocumentLoss[];
}

export interface EvaluationOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (tokensDone: number, tokensTotal: number) => void;
}

/** @throws NotFiniteError when a loss is NaN or infinite; DOMException AbortError on abort */
export async function evaluateText(model: SmallModel, text: EvaluationText, { signal, onProgress }: EvaluationOptions = {}): Promise<EvaluationResult> {
  const { batchSize, seqLen } = model.shape;
  const tokens = new Uint32Array(model.rows);
  const targets = new Uint32Array(model.rows).fill(IGNORED_TARGET);
  const documents = new Uint32Array(model.rows);
  const nats = new Float64Array(text.numDocuments);
  const counts = new Float64Array(text.numDocuments);
  let filled = 0;
  let done = 0;

  const flush = async (): Promise<void> => {
    targets.fill(IGNORED_TARGET, filled * seqLen);
    const losses = await model.evaluate(tokens, targets);
    for (let row = 0; row < filled * seqLen; row++) {
      if (targets[row] === IGNORED_TARGET) continue;
      if (!Number.isFinite(losses[row])) throw new NotFiniteError('The loss on held-out text is not a finite number.');
      nats[documents[row]] += losses[row];
      counts[documents[row]]++;
      done++;
    }
    filled = 0;
    onProgress?.(done, text.numTokens);
  };

  for (const window of text.windows) {
    tokens.set(window.tokens, filled * seqLen);
    targets.set(window.targets, filled * seqLen);
    documents.set(window.documents, filled * seqLen);
    if (++filled < batchSize) continue;
    signal?.throwIfAborted();
    await flush();
  }
  if (filled > 0) await flush();
  const perDocument = Array.from(nats, (sum, index): DocumentLoss => ({ nats: sum, tokens: counts[index] })).filter((document) => document.tokens > 0);
  const total = perDocument.reduce((sum, document) => sum + document.nats, 0);
  return { loss: total / done, nats: total, tokens: done, bytes: text.numBytes, documents: perDocument };
}
