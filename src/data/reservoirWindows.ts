// Generic text resampled to a wanted cluster histogram, as endless training windows. A cluster's text is read as pretraining reads it: its pieces end to end, cut
// every seqLen tokens, so that a window may hold the end of one piece and the beginning of another.
import type { Reservoir } from '../config/reservoir.ts';
import { invariant } from '../core/invariant.ts';
import { ReservoirDraws, type Repeats } from './reservoirDraws.ts';

export interface ReservoirWindowSettings {
  readonly seqLen: number;
  readonly seed: number;
}

/** What the page shows of resampling. Arrays are over the clusters, [k]. */
export interface ResamplingReport {
  /** Windows drawn so far. */
  readonly windows: number;
  /** Shares of the reservoir's own windows; sums to 1. */
  readonly before: readonly number[];
  /** Shares that are drawn by; sums to 1. */
  readonly wanted: readonly number[];
  /** Shares of the windows drawn so far; all 0 before the first. */
  readonly drawn: readonly number[];
  readonly drawnWindows: readonly number[];
  readonly repeats: Repeats;
  readonly clusterRepeats: readonly Repeats[];
  /** Entry n: windows of the reservoir drawn exactly n times; the last of at most MAX_COUNTED_REPEATS + 1 entries: so often or more. */
  readonly repeatCounts: readonly number[];
}

export const MAX_COUNTED_REPEATS = 1000;

/** Training windows of each cluster [k]: one for every seqLen targets begun; 0 where the text is shorter than a window and its last target. */
export function reservoirWindowCounts({ clusters }: Reservoir, seqLen: number): number[] {
  return clusters.map(({ train }) => (train.length < seqLen + 1 ? 0 : Math.ceil((train.length - 1) / seqLen)));
}

/**
 * Endless batches, the same ones for the same seed. Windows of a cluster do not overlap but for the last, which reaches back so that every token is predicted.
 * Held-out text is never drawn. Where it stands is one number, see `seek`.
 */
export class ReservoirWindows {
  private readonly numWindows: readonly number[];
  private readonly draws: ReservoirDraws;

  /**
   * @param wanted share of the drawn windows per cluster [k] (clusters/importance.ts); sums to 1, and is 0 where reservoirWindowCounts is
   */
  constructor(private readonly reservoir: Reservoir, private readonly wanted: readonly number[], private readonly settings: ReservoirWindowSettings) {
    this.numWindows = reservoirWindowCounts(reservoir, settings.seqLen);
    this.draws = new ReservoirDraws(this.numWindows, wanted, settings.seed);
  }

  /** Windows handed out since the beginning. */
  get windowsConsumed(): number {
    return this.draws.windowsDrawn;
  }

  /** Goes to where `windowsConsumed` was that number: what follows is what followed then. Draws again what lies before: a million windows take 0.2 s. */
  seek(windowsConsumed: number): void {
    this.draws.seek(windowsConsumed);
  }

  /**
   * Fills the next `batchSize` windows, without allocating.
   * @param tokens [batchSize, seqLen]
   * @param targets [batchSize, seqLen]; targets[b, t] is the token after tokens[b, t]
   */
  next(batchSize: number, tokens: Uint32Array, targets: Uint32Array): void {
    const { seqLen } = this.settings;
    invariant(tokens.length >= batchSize * seqLen && targets.length >= batchSize * seqLen, 'a batch fits its arrays');
    for (let row = 0; row < batchSize; row++) {
      this.draws.draw();
      const text = this.reservoir.clusters[this.draws.cluster].train;
      const from = Math.min(this.draws.window * seqLen, text.length - 1 - seqLen);
      for (let t = 0; t < seqLen; t++) {
        tokens[row * seqLen + t] = text[from + t];
        targets[row * seqLen + t] = text[from + t + 1];
      }
    }
  }

  report(): ResamplingReport {
    const { draws, numWindows } = this;
    const all = numWindows.reduce((sum, count) => sum + count, 0);
    const drawnWindows = numWindows.map((_, cluster) => draws.drawnOf(cluster));
    return {
      windows: draws.windowsDrawn,
      before: numWindows.map((count) => count / all),
      wanted: [...this.wanted],
      drawn: drawnWindows.map((count) => (draws.windowsDrawn === 0 ? 0 : count / draws.windowsDrawn)),
      drawnWindows,
      repeats: draws.repeats(),
      clusterRepeats: numWindows.map((_, cluster) => draws.repeatsOf(cluster)),
      repeatCounts: draws.histogramOfRepeats(MAX_COUNTED_REPEATS),
    };
  }
}
