// CPU twin of rmsnorm: y = x * rstd * weight with rstd = 1 / sqrt(mean(x^2) + eps), eps inside the root as in Llama.

export interface RmsnormForwardShape {
  readonly rows: number;
  readonly C: number;
  readonly eps: number;
}

export interface RmsnormBackwardShape {
  readonly rows: number;
  readonly C: number;
}

/** x [rows, C], weight [C] -> y [rows, C] and rstd [rows] (kept for the backward). */
export function rmsnormForward(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  { rows, C, eps }: RmsnormForwardShape,
): { y: Float64Array; rstd: Float64Array } {
  const y = new Float64Array(rows * C);
  const rstd = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    let sumOfSquares = 0;
    for (let i = 0; i < C; i++) sumOfSquares += x[row * C + i] ** 2;
    rstd[row] = 1 / Math.sqrt(sumOfSquares / C + eps);
    for (let i = 0; i < C; i++) y[row * C + i] = x[row * C + i] * rstd[row] * weight[i];
  }
  return { y, rstd };
}

/** dy, x [rows, C], weight [C], rstd [rows] -> dx [rows, C] and dWeight [C] (summed over the rows). */
export function rmsnormBackward(
  dy: ArrayLike<number>,
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  rstd: ArrayLike<number>,
  { rows, C }: RmsnormBackwardShape,
): { dx: Float64Array; dWeight: Float64Array } {
  const dx = new Float64Array(rows * C);
  const dWeight = new Float64Array(C);
  for (let row = 0; row < rows; row++) {
    // With n = x * rstd: dx = rstd * (dn - n * mean(dn * n)).
    let meanDot = 0;
    for (let i = 0; i < C; i++) {
      const normalized = x[row * C + i] * rstd[row];
      dWeight[i] += dy[row * C + i] * normalized;
      meanDot += (dy[row * C + i] * weight[i] * normalized) / C;
    }
    for (let i = 0; i < C; i++) {
      const normalized = x[row * C + i] * rstd[row];
      dx[row * C + i] = rstd[row] * (dy[row * C + i] * weight[i] - normalized * meanDot);
    }
  }
  return { dx, dWeight };
}
