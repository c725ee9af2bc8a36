// Properties of decimation over seeded random series: bounded, ordered, extremes and mean kept.
import { describe, expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import { DecimatedSeries, SERIES_CAPACITY, type SeriesPoint } from './decimatedSeries.ts';

function fill(series: DecimatedSeries, length: number, seed: number): number[] {
  const random = createRandom(seed);
  return Array.from({ length }, (_, i) => {
    const value = random.normal();
    series.append(i + 1, (i + 1) * 512, (i + 1) * 0.03, value);
    return value;
  });
}

function checkFaithful(points: readonly SeriesPoint[], values: readonly number[]): void {
  expect(points.reduce((sum, point) => sum + point.count, 0)).toBe(values.length);
  let next = 0;
  for (const point of points) {
    const part = values.slice(next, next + point.count);
    expect(point.min).toBe(Math.min(...part));
    expect(point.max).toBe(Math.max(...part));
    expect(point.mean).toBeCloseTo(part.reduce((sum, value) => sum + value, 0) / part.length, 9);
    next += point.count;
    expect([point.step, point.tokens]).toEqual([next, next * 512]);
  }
}

describe('DecimatedSeries', () => {
  it.each([1, 2, 7, 16, 17, 100, 1_001])('keeps every extreme and the mean of %i points in at most 16 buckets', (length) => {
    const series = new DecimatedSeries(16);
    const values = fill(series, length, length);
    expect(series.length).toBeLessThanOrEqual(16);
    checkFaithful(series.points(16), values);
    checkFaithful(series.points(5), values);
    expect(series.points(5).length).toBeLessThanOrEqual(5);
  });

  it('keeps short series whole', () => {
    const series = new DecimatedSeries(16);
    fill(series, 16, 3);
    expect(series.points(100).every((point) => point.count === 1)).toBe(true);
  });

  it('stays bounded over 100,000 points and uses at least half of its room', () => {
    const series = new DecimatedSeries();
    fill(series, 100_000, 5);
    expect(series.length).toBeLessThanOrEqual(SERIES_CAPACITY);
    expect(series.length).toBeGreaterThanOrEqual(SERIES_CAPACITY / 2);
  });

  it('leaves out values that are not finite', () => {
    const series = new DecimatedSeries(4);
    series.append(1, 1, 1, NaN);
    series.append(2, 2, 2, Infinity);
    series.append(3, 3, 3, 4);
    expect(series.points(4)).toEqual([{ step: 3, tokens: 3, seconds: 3, count: 1, mean: 4, min: 4, max: 4 }]);
  });
});
