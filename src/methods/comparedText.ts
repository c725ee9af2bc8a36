// A fixed part of the user's training text, the same for every candidate start, so that their losses can be compared. Never validation or test text.
import type { BatchShape } from '../model/forward.ts';
import type { SmallModel } from '../model/smallModel.ts';
import type { WindowSource } from '../training/phase.ts';

/** Tokens it has at least. */
const COMPARED_TOKENS = 4096;

export class ComparedText {
  readonly numTokens: number;
  private readonly batches: readonly { readonly tokens: Uint32Array; readonly targets: Uint32Array }[];

  constructor(windows: WindowSource, { batchSize, seqLen }: BatchShape) {
    const rows = batchSize * seqLen;
    this.batches = Array.from({ length: Math.max(1, Math.ceil(COMPARED_TOKENS / rows)) }, () => {
      const batch = { tokens: new Uint32Array(rows), targets: new Uint32Array(rows) };
      windows.next(batchSize, batch.tokens, batch.targets);
      return batch;
    });
    this.numTokens = this.batches.length * rows;
  }

  /** Mean nats per token under the model's present weights; every row has a target. @throws DOMException AbortError on abort */
  async meanLoss(model: SmallModel, signal?: AbortSignal): Promise<number> {
    let sum = 0;
    for (const { tokens, targets } of this.batches) {
      signal?.throwIfAborted();
      for (const loss of await model.evaluate(tokens, targets)) sum += loss;
    }
    return sum / this.numTokens;
  }
}
