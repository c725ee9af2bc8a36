// A fixed part of the user's training text, the same for every candidate start and however many windows are computed at once, so that their losses can be compared.
// Never validation or test text.
import { IGNORED_TARGET } from '../data/windows.ts';
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
    const numWindows = Math.ceil(COMPARED_TOKENS / seqLen);
    this.batches = Array.from({ length: Math.ceil(numWindows / batchSize) }, (_, index) => {
      const batch = { tokens: new Uint32Array(rows), targets: new Uint32Array(rows).fill(IGNORED_TARGET) };
      windows.next(Math.min(batchSize, numWindows - index * batchSize), batch.tokens, batch.targets);
      return batch;
    });
    this.numTokens = numWindows * seqLen;
  }

  /** Mean nats per token under the model's present weights. @throws DOMException AbortError on abort */
  async meanLoss(model: SmallModel, signal?: AbortSignal): Promise<number> {
    let sum = 0;
    for (const { tokens, targets } of this.batches) {
      signal?.throwIfAborted();
      for (const loss of await model.evaluate(tokens, targets)) sum += loss;
    }
    return sum / this.numTokens;
  }
}
