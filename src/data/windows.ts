// Token windows for training and evaluation. Both see documents as one stream, each document preceded by the end-of-text token:
// EOT d1 d1 d1 EOT d2 d2 ... A window is seqLen tokens and, one place further, their targets.
import { UserError, invariant } from '../core/invariant.ts';
import { createRandom, shuffle } from '../core/random.ts';
import type { Corpus } from './corpus.ts';
import type { CorpusSplit } from './split.ts';

/** Target of a place where nothing is to be predicted (as in the kernels). */
export const IGNORED_TARGET = 0xffffffff;

/** Tokens of a stream: every document and the end-of-text token before it. */
function streamLength(corpus: Corpus, documents: readonly number[]): number {
  return documents.reduce((sum, document) => sum + 1 + corpus.tokenCountOf(document), 0);
}

/** @throws UserError when the split cannot be trained and judged on with this context length */
export function checkTrainable(corpus: Corpus, split: CorpusSplit, seqLen: number): void {
  const { train, validation, test } = split.documents;
  const trainTokens = streamLength(corpus, train);
  if (trainTokens < seqLen + 1) {
    throw new UserError(`There is too little text: ${trainTokens} tokens to train on, where one context of this model takes ${seqLen + 1}.`);
  }
  if (validation.length === 0 || test.length === 0) {
    const missing = validation.length === 0 ? 'validation' : 'test';
    throw new UserError(`There is too little text to hold out a ${missing} document: it makes ${corpus.numDocuments} ${corpus.numDocuments === 1 ? 'document' : 'documents'}, and three are needed.`);
  }
}

export interface TrainingWindowSettings {
  readonly endOfText: number;
  readonly seqLen: number;
  readonly seed: number;
}

/**
 * The training documents as endless batches. Per epoch the documents' order and then the windows' order are shuffled from (seed, epoch); windows do not
 * overlap but for the last, which reaches back so that every token is predicted. Where it stands is one number, see `seek`.
 */
export class TrainingWindows {
  readonly windowsPerEpoch: number;
  private readonly streamTokens: number;
  private consumed = 0;
  private epoch = -1;
  /** Documents in this epoch's order, and where each begins in the stream (one more entry: its end). */
  private readonly order: Uint32Array;
  private readonly starts: Float64Array;
  private readonly windowOrder: Uint32Array;
  private readonly scratch: Uint32Array;

  /** @throws UserError when the documents are shorter than one window */
  constructor(private readonly corpus: Corpus, private readonly documents: readonly number[], private readonly settings: TrainingWindowSettings) {
    const { seqLen } = settings;
    this.streamTokens = streamLength(corpus, documents);
    if (this.streamTokens < seqLen + 1) {
      throw new UserError(`There is too little text: ${this.streamTokens} tokens to train on, where one context of this model takes ${seqLen + 1}.`);
    }
    this.windowsPerEpoch = Math.ceil((this.streamTokens - 1) / seqLen);
    this.order = new Uint32Array(documents.length);
    this.starts = new Float64Array(documents.length + 1);
    this.windowOrder = new Uint32Array(this.windowsPerEpoch);
    this.scratch = new Uint32Array(seqLen + 1);
  }

  /** Windows handed out since the beginning. */
  get windowsConsumed(): number {
    return this.consumed;
  }

  /** Goes to where `windowsConsumed` was that number: what follows is what followed then. */
  seek(windowsConsumed: number): void {
    this.consumed = windowsConsumed;
  }

  /**
   * Fills the next `batchSize` windows, without allocating.
   * @param tokens [batchSize, seqLen]
   * @param targets [batchSize, seqLen]; targets[b, t] is the token after tokens[b, t]
   */
  next(batchSize: number, tokens: Uint32Array, targets: Uint32Array): void {
    const { seqLen } = this.settings;
    invariant(tokens.length >= batchSize * seqLen && targets.length >= batchSize * seqLen, 'a batch fits its arrays');
    for (let row = 0; row < batchSize; row++, this.consumed++) {
      this.enterEpoch(Math.floor(this.consumed / this.windowsPerEpoch));
      const window = this.windowOrder[this.consumed % this.windowsPerEpoch];
      this.copyStream(Math.min(window * seqLen, this.streamTokens - 1 - seqLen));
      for (let t = 0; t < seqLen; t++) {
        tokens[row * seqLen + t] = this.scratch[t];
        targets[row * seqLen + t] = this.scratch[t + 1];
      }
    }
  }

  private enterEpoch(epoch: number): void {
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    // An odd multiplier keeps the epochs' seeds apart for every seed.
    const random = createRandom((this.settings.seed + Math.imul(epoch, 0x9e3779b1)) >>> 0);
    for (let i = 0; i < this.order.length; i++) this.order[i] = this.documents[i];
    shuffle(this.order, random);
    for (let i = 0; i < this.order.length; i++) this.starts[i + 1] = this.starts[i] + 1 + this.corpus.tokenCountOf(this.order[i]);
    for (let i = 0; i < this.windowOrder.length; i++) this.windowOrder[i] = i;
    shuffle(this.windowOrder, random);
  }

  /** Copies seqLen + 1 tokens of the stream, from position `from` on, to `scratch`. */
  private copyStream(from: number): void {
    let low = 0;
    let high = this.order.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.starts[middle] <= from) low = middle;
      else high = middle;
    }
    let offset = from - this.starts[low];
    for (let filled = 0; filled < this.scratch.length; low++, offset = 0) {
      if (offset === 0) this.scratch[filled++] = this.settings.endOfText;
      else offset--;
      const count = Math.min(this.corpus.tokenCountOf(this.order[low]) - offset, this.scratch.length - filled);
      this.corpus.copyTokens(this.order[low], offset, count, this.scratch, filled);
      filled += count;
    }
  }
}

/** One window of held-out text; the arrays are filled anew for the next one. */
export interface EvaluationWindow {
  /** [seqLen] */
  readonly tokens: Uint32Array;
  /** [seqLen]; IGNORED_TARGET where nothing is to be predicted. */
  readonly targets: Uint32Array;
  /** [seqLen] the document each target belongs to, as its place in the list given to evaluationText. */
  readonly documents: Uint32Array;
}

export interface EvaluationText {
  readonly windows: Iterable<EvaluationWindow>;
  readonly numDocuments: number;
  /** Targets in all windows: the documents' tokens and, per whole document, its end. */
  readonly numTokens: number;
  /** UTF-8 bytes of the text the targets cover: bits per byte = nats / ln 2 / numBytes. */
  readonly numBytes: number;
}

/** A document cut short by maxTokens still shows at least so many tokens. */
const MIN_SHOWN_TOKENS = 64;

/** How many tokens of each document are taken, at most `maxTokens` in all: the beginnings of all documents or, where these get too short, of evenly spaced ones. */
function takenTokens(lengths: readonly number[], maxTokens: number): number[] {
  if (lengths.reduce((sum, length) => sum + length, 0) <= maxTokens) return [...lengths];
  const numChosen = Math.min(lengths.length, Math.max(1, Math.floor(maxTokens / MIN_SHOWN_TOKENS)));
  const isChosen = new Set(Array.from({ length: numChosen }, (_, i) => Math.floor((i * lengths.length) / numChosen)));
  const capped = (cap: number): number[] => lengths.map((length, i) => (isChosen.has(i) ? Math.min(length, cap) : 0));
  let low = 0;
  let high = maxTokens;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (capped(middle).reduce((sum, length) => sum + length, 0) <= maxTokens) low = middle;
    else high = middle - 1;
  }
  return capped(low);
}

/**
 * Held-out documents in non-overlapping windows: every target is predicted exactly once, each document's end included unless it was cut short.
 * @param documents document indexes
 * @param maxTokens at most so many tokens of the documents, the same ones every time, spread over the documents; Infinity: all
 */
export function evaluationText(corpus: Corpus, documents: readonly number[], endOfText: number, seqLen: number, maxTokens: number): EvaluationText {
  const lengths = documents.map((document) => corpus.tokenCountOf(document));
  const taken = takenTokens(lengths, maxTokens);
  const shown = documents.map((_, place) => place).filter((place) => taken[place] > 0);
  const numWhole = shown.filter((place) => taken[place] === lengths[place]).length;

  function* windows(): Generator<EvaluationWindow, void, void> {
    const window = { tokens: new Uint32Array(seqLen), targets: new Uint32Array(seqLen), documents: new Uint32Array(seqLen) };
    let filled = 0;
    let previous = endOfText;
    for (const place of shown) {
      const tokens = new Uint32Array(taken[place] + 1);
      corpus.copyTokens(documents[place], 0, taken[place], tokens, 0);
      tokens[taken[place]] = endOfText;
      for (let i = 0; i < tokens.length; i++) {
        // The end of a document cut short is not its end: nothing to predict there.
        const isTarget = i < taken[place] || taken[place] === lengths[place];
        window.tokens[filled] = previous;
        window.targets[filled] = isTarget ? tokens[i] : IGNORED_TARGET;
        window.documents[filled] = place;
        previous = tokens[i];
        if (++filled < seqLen) continue;
        yield window;
        filled = 0;
      }
    }
    if (filled === 0) return;
    window.tokens.fill(endOfText, filled);
    window.targets.fill(IGNORED_TARGET, filled);
    window.documents.fill(0, filled);
    yield window;
  }

  return {
    windows: { [Symbol.iterator]: windows },
    numDocuments: documents.length,
    numTokens: taken.reduce((sum, length) => sum + length, 0) + numWhole,
    numBytes: shown.reduce((sum, place) => sum + corpus.bytesOfFirst(documents[place], taken[place]), 0),
  };
}
