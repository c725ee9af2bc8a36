// The pure parts of the charts: ticks, domains, smoothing and rows.
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../core/random.ts';
import { DecimatedSeries } from '../../stores/decimatedSeries.ts';
import { linearTicks, logTicks, roundDomain, roundEnd } from './axis.ts';
import { perplexityRows, smoothed, TRAINING_ROWS, VALIDATION_ROWS } from './chartRows.ts';

describe('axis', () => {
  it('puts round ticks inside the range', () => {
    expect(linearTicks(0, 140, 6)).toEqual([0, 25, 50, 75, 100, 125]);
    expect(linearTicks(0, 0, 5)).toEqual([0]);
    expect(linearTicks(0, 13, 6)).toEqual([0, 2.5, 5, 7.5, 10, 12.5]);
    expect(linearTicks(0, 13, 6, { whole: true })).toEqual([0, 5, 10]);
    expect(linearTicks(0, 2, 6, { whole: true })).toEqual([0, 1, 2]);
    expect(logTicks(15, 150)).toEqual([20, 50, 100]);
    expect(logTicks(21, 23).every((tick) => tick >= 21 && tick <= 23)).toBe(true);
  });

  it('rounds ends up, never down, and leaves round ones alone', () => {
    const random = createRandom(1);
    for (let i = 0; i < 500; i++) {
      const value = 10 ** (random.next() * 12 - 6);
      const end = roundEnd(value);
      expect(end).toBeGreaterThanOrEqual(value * (1 - 1e-9));
      expect(end).toBeLessThanOrEqual(value * 1.6);
      expect(roundEnd(end)).toBe(end);
    }
  });

  it('holds every value in its domain, ignores what is not finite, and has none for nothing', () => {
    const random = createRandom(2);
    for (let i = 0; i < 300; i++) {
      const values = Array.from({ length: 5 }, () => 10 ** (random.next() * 6 - 3));
      for (const log of [false, true]) {
        const [low, high] = roundDomain([...values, NaN, Infinity], log) ?? [NaN, NaN];
        expect(low).toBeLessThanOrEqual(Math.min(...values));
        expect(high).toBeGreaterThanOrEqual(Math.max(...values));
        if (log) expect(low).toBeGreaterThan(0);
      }
    }
    expect(roundDomain([NaN], true)).toBeUndefined();
  });
});

describe('chart rows', () => {
  const seriesOf = (values: readonly number[], capacity?: number): DecimatedSeries => {
    const series = new DecimatedSeries(capacity);
    values.forEach((value, i) => series.append(i + 1, (i + 1) * 512, (i + 1) * 0.03, value));
    return series;
  };

  it('smooths like the step-by-step average, also after decimation', () => {
    const values = Array.from({ length: 64 }, (_, i) => 5 - i / 20);
    const beta = 0.9;
    let sum = 0;
    let weight = 0;
    for (const value of values) {
      sum = sum * beta + value * (1 - beta);
      weight = weight * beta + (1 - beta);
    }
    expect(smoothed(seriesOf(values).points(64), beta).at(-1)).toBeCloseTo(sum / weight, 10);
    expect(Math.abs((smoothed(seriesOf(values, 32).points(32), beta).at(-1) ?? NaN) - sum / weight)).toBeLessThan(0.01);
    expect(smoothed(seriesOf(values).points(64), 0)).toEqual(values);
  });

  it('gives at most its number of rows, in order of x, with the extremes of the loss', () => {
    const random = createRandom(3);
    const losses = Array.from({ length: 30_000 }, () => 3 + random.next());
    const empty = new DecimatedSeries();
    const rows = perplexityRows({ trainingLoss: seriesOf(losses), validationLoss: seriesOf(losses.slice(0, 3000)), gradientNorm: empty, learningRate: empty }, 'tokens', 0.9);
    expect(rows.length).toBeLessThanOrEqual(TRAINING_ROWS + VALIDATION_ROWS);
    for (let i = 1; i < rows.length; i++) expect(rows[i].x).toBeGreaterThanOrEqual(rows[i - 1].x);
    const highest = Math.max(...rows.flatMap((row) => (row.range ? [row.range[1]] : [])));
    expect(highest).toBeCloseTo(Math.exp(Math.max(...losses)), 9);
  });
});
