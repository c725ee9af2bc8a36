// Comparisons that NaN cannot pass: everything reads `!(difference <= tolerance)`.

export interface Closeness {
  /** Largest |actual - expected| divided by the largest |expected| (the tensor's own scale). */
  readonly relativeError: number;
  readonly index: number;
}

/** Error of `actual` relative to the largest magnitude of `expected`; NaN or a length mismatch gives Infinity. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): Closeness {
  if (actual.length !== expected.length) return { relativeError: Infinity, index: -1 };
  let scale = 0;
  for (let i = 0; i < expected.length; i++) if (Math.abs(expected[i]) > scale) scale = Math.abs(expected[i]);
  let worst = 0;
  let index = -1;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i] - expected[i]);
    if (!(difference <= worst)) {
      worst = Number.isNaN(difference) ? Infinity : difference;
      index = i;
      if (worst === Infinity) break;
    }
  }
  if (worst === 0 || worst === Infinity) return { relativeError: worst, index };
  return { relativeError: worst / Math.max(scale, 1e-30), index };
}

/** @throws Error naming `what`, the worst index and both values when the relative error exceeds `tolerance` or anything is NaN */
export function expectClose(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  const { relativeError: error, index } = relativeError(actual, expected);
  if (!(error <= tolerance)) {
    throw new Error(`${what}: relative error ${error} over ${tolerance} at ${index}: got ${actual[index]}, expected ${expected[index]} (lengths ${actual.length}, ${expected.length})`);
  }
}

/** @throws Error naming `what` and the first index where the floats are not the same bits, or where one is NaN */
export function expectSameBits(what: string, actual: Float32Array, expected: Float32Array): void {
  if (actual.length !== expected.length) throw new Error(`${what}: ${actual.length} numbers, not ${expected.length}`);
  const [a, b] = [actual, expected].map(({ buffer, byteOffset, length }) => new Uint32Array(buffer, byteOffset, length));
  const index = a.findIndex((bits, i) => bits !== b[i] || Number.isNaN(actual[i]));
  if (index >= 0) throw new Error(`${what}: number ${index} is ${actual[index]}, not ${expected[index]} to the bit`);
}
