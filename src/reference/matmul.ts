// CPU twin of the matmul kernels: three forms of one product, named by which operand is transposed in memory. A linear layer
// with weight [out, in] runs NT forward, NN for the gradient of its input and TN for the gradient of its weight.

/** First letter: is `a` stored [K, M] (T) or [M, K] (N)? Second letter: is `b` stored [N, K] (T) or [K, N] (N)? */
export type MatmulForm = 'NT' | 'NN' | 'TN';

export interface MatmulShape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** c [M, N] = sum over K of a * b. NT: a [M, K], b [N, K]. NN: a [M, K], b [K, N]. TN: a [K, M], b [K, N]. */
export function matmul(form: MatmulForm, a: ArrayLike<number>, b: ArrayLike<number>, { M, N, K }: MatmulShape): Float64Array {
  const c = new Float64Array(M * N);
  const [aRowStride, aStepStride] = form === 'TN' ? [1, M] : [K, 1];
  const [bColumnStride, bStepStride] = form === 'NT' ? [K, 1] : [1, N];
  for (let row = 0; row < M; row++) {
    for (let column = 0; column < N; column++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += a[row * aRowStride + k * aStepStride] * b[column * bColumnStride + k * bStepStride];
      c[row * N + column] = sum;
    }
  }
  return c;
}
