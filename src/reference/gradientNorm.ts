// CPU twin of gradient clipping by global norm: one Euclidean norm over all tensors together, then one factor for all of them.

/** Square root of the sum of squares over every element of every tensor. */
export function globalNorm(tensors: readonly ArrayLike<number>[]): number {
  let sumOfSquares = 0;
  for (const tensor of tensors) {
    for (let i = 0; i < tensor.length; i++) sumOfSquares += tensor[i] ** 2;
  }
  return Math.sqrt(sumOfSquares);
}

/** Factor that brings a norm over `clipNorm` down to it and leaves a smaller one alone. NaN stays NaN. */
export function clipScale(norm: number, clipNorm: number): number {
  return Math.min(1, clipNorm / norm);
}
