// From captured series to the rows a chart draws: x, the faint range of the raw training perplexity, its smoothed line, and the
// validation points. Pure.
import type { RunSeries } from '../../stores/metricsStore.ts';
import type { SeriesPoint } from '../../stores/decimatedSeries.ts';

export type XAxisKind = 'step' | 'tokens' | 'seconds';

export interface PerplexityRow {
  readonly x: number;
  /** Lowest and highest training perplexity of the steps this row stands for. */
  readonly range?: readonly [number, number];
  readonly smooth?: number;
  readonly validation?: number;
}

/** Rows drawn at most: every row costs time at every redraw, and a chart is about this many pixels' worth of detail. */
export const TRAINING_ROWS = 120;
export const VALIDATION_ROWS = 50;

/**
 * Exponential moving average over steps, in the unit of the series. `beta` in [0, 1) is the weight of the past per step; a point that
 * stands for n steps counts n times. The start is corrected for having no past (as Adam's moments are).
 */
export function smoothed(points: readonly SeriesPoint[], beta: number): number[] {
  let sum = 0;
  let weight = 0;
  return points.map(({ mean, count }) => {
    const past = beta ** count;
    sum = sum * past + mean * (1 - past);
    weight = weight * past + (1 - past);
    return sum / weight;
  });
}

/** Smoothing happens on the loss; perplexity is its exponential, so the smoothed line is a geometric mean of perplexities. */
export function perplexityRows(series: RunSeries, xAxis: XAxisKind, beta: number): PerplexityRow[] {
  const training = series.trainingLoss.points(TRAINING_ROWS);
  const smooth = smoothed(training, beta);
  const rows: PerplexityRow[] = training.map((point, i) => ({
    x: point[xAxis],
    range: [Math.exp(point.min), Math.exp(point.max)],
    smooth: Math.exp(smooth[i]),
  }));
  for (const point of series.validationLoss.points(VALIDATION_ROWS)) rows.push({ x: point[xAxis], validation: Math.exp(point.mean) });
  return rows.sort((a, b) => a.x - b.x);
}

export interface ValueRow {
  readonly x: number;
  readonly value: number;
}

export function valueRows(points: readonly SeriesPoint[], xAxis: XAxisKind): ValueRow[] {
  return points.map((point) => ({ x: point[xAxis], value: point.mean }));
}
