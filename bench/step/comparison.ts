// What a run of interleaved steps amounts to: medians without the first step (it compiles), ratios to ours, and whether all contestants did the same work.
import { relativeError } from '../../src/testing/allclose.ts';

export interface Timeline {
  readonly name: string;
  /** Wall time of every step in order, the first with its compilation, in milliseconds. */
  readonly milliseconds: number[];
  /** Loss of every step before its update, nats per token. */
  readonly losses: number[];
}

export interface ComparisonRow extends Timeline {
  readonly medianMilliseconds: number;
  /** This contestant's median over ours. */
  readonly timesOurs: number;
}

/** Losses may differ by the rounding of different summation orders, carried through the steps. */
const LOSS_TOLERANCE = 1e-3;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @throws Error when the losses of `timeline` are not the expected ones, as far as they go (NaN included) */
export function requireLosses({ name, losses }: Timeline, expected: readonly number[]): void {
  const count = Math.min(losses.length, expected.length);
  const { relativeError: error } = relativeError(losses.slice(0, count), expected.slice(0, count));
  if (!(error <= LOSS_TOLERANCE)) throw new Error(`${name} computes another step: losses ${losses.join(', ')} against ${expected.join(', ')}`);
}

/** @throws Error when a contestant took no step after its first, or its losses are not those of the first timeline */
export function compare(timelines: readonly Timeline[]): ComparisonRow[] {
  const medians = timelines.map((timeline) => {
    if (timeline.milliseconds.length < 2) throw new Error(`${timeline.name} took ${timeline.milliseconds.length} steps; the first only compiles`);
    requireLosses(timeline, timelines[0].losses);
    return median(timeline.milliseconds.slice(1));
  });
  return timelines.map((timeline, i) => ({ ...timeline, medianMilliseconds: medians[i], timesOurs: medians[i] / medians[0] }));
}
