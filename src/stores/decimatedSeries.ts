// A series of any length in bounded memory: neighbouring points share a bucket that keeps their count, mean and extremes. When the
// buckets run out, pairs are merged and each holds twice as much, so a peak is never lost and x stays in order.

/** One bucket: `step`, `tokens` and `seconds` are those of its last point. */
export interface SeriesPoint {
  readonly step: number;
  readonly tokens: number;
  readonly seconds: number;
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
}

/** Buckets kept; each has two extremes, so at most 2,000 points of the original are kept. */
export const SERIES_CAPACITY = 1000;

function merge(first: SeriesPoint, second: SeriesPoint): SeriesPoint {
  const count = first.count + second.count;
  return {
    step: second.step,
    tokens: second.tokens,
    seconds: second.seconds,
    count,
    mean: (first.mean * first.count + second.mean * second.count) / count,
    min: Math.min(first.min, second.min),
    max: Math.max(first.max, second.max),
  };
}

function mergeRuns(points: readonly SeriesPoint[], runLength: number): SeriesPoint[] {
  const merged: SeriesPoint[] = [];
  for (let start = 0; start < points.length; start += runLength) {
    let bucket = points[start];
    for (let i = start + 1; i < Math.min(start + runLength, points.length); i++) bucket = merge(bucket, points[i]);
    merged.push(bucket);
  }
  return merged;
}

export class DecimatedSeries {
  private buckets: SeriesPoint[] = [];
  private bucketSize = 1;
  readonly capacity: number;

  /** `capacity`: buckets kept at most, at least 2. */
  constructor(capacity = SERIES_CAPACITY) {
    this.capacity = Math.max(2, capacity);
  }

  get length(): number {
    return this.buckets.length;
  }

  /** Adds a point; x must not go backwards. A value that is not finite is left out: it has no place on a chart. */
  append(step: number, tokens: number, seconds: number, value: number): void {
    if (!Number.isFinite(value)) return;
    const point: SeriesPoint = { step, tokens, seconds, count: 1, mean: value, min: value, max: value };
    const last = this.buckets.at(-1);
    if (last && last.count < this.bucketSize) {
      this.buckets[this.buckets.length - 1] = merge(last, point);
      return;
    }
    if (this.buckets.length === this.capacity) {
      this.buckets = mergeRuns(this.buckets, 2);
      this.bucketSize *= 2;
    }
    this.buckets.push(point);
  }

  /** The whole series in at most `limit` points, oldest first. */
  points(limit: number): readonly SeriesPoint[] {
    const runLength = Math.ceil(this.buckets.length / Math.max(1, limit));
    return runLength <= 1 ? this.buckets.slice() : mergeRuns(this.buckets, runLength);
  }
}
