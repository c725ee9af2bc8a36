// CPU twin of the projection of one expert (https://arxiv.org/abs/2402.01093): coefficients c = vector M, weight W = sum_r c[r] T[r].
// T is stored slice by slice, [h, size] with size = out * in, as in the pack.

export interface ExpertShape {
  /** Length of an expert's vector. */
  readonly m: number;
  /** Slices per layer. */
  readonly h: number;
}

export interface SlicesShape {
  readonly h: number;
  /** Elements of one slice: out * in. */
  readonly size: number;
}

/** vector [m] (a row of E), M [m, h] -> coefficients c [h]. */
export function expertCoefficients(vector: ArrayLike<number>, M: ArrayLike<number>, { m, h }: ExpertShape): Float64Array {
  const c = new Float64Array(h);
  for (let q = 0; q < m; q++) {
    for (let r = 0; r < h; r++) c[r] += vector[q] * M[q * h + r];
  }
  return c;
}

/** c [h], T [h, size] -> weight W [size]. */
export function projectionForward(c: ArrayLike<number>, T: ArrayLike<number>, { h, size }: SlicesShape): Float64Array {
  const W = new Float64Array(size);
  for (let r = 0; r < h; r++) {
    for (let i = 0; i < size; i++) W[i] += c[r] * T[r * size + i];
  }
  return W;
}

/** dW [size], T [h, size] -> dc [h], the gradient of the coefficients. */
export function projectionBackward(dW: ArrayLike<number>, T: ArrayLike<number>, { h, size }: SlicesShape): Float64Array {
  const dc = new Float64Array(h);
  for (let r = 0; r < h; r++) {
    for (let i = 0; i < size; i++) dc[r] += dW[i] * T[r * size + i];
  }
  return dc;
}
