// CPU twin of the token embedding: row lookup forward, scatter-add of row gradients backward.

/** tokens [N], table [V, C] -> x [N, C]. */
export function embeddingForward(tokens: ArrayLike<number>, table: ArrayLike<number>, { C }: { readonly C: number }): Float64Array {
  const x = new Float64Array(tokens.length * C);
  for (let row = 0; row < tokens.length; row++) {
    for (let i = 0; i < C; i++) x[row * C + i] = table[tokens[row] * C + i];
  }
  return x;
}

/** tokens [N], dx [N, C] -> dTable [V, C]; a token that occurs twice collects both rows. */
export function embeddingBackward(
  tokens: ArrayLike<number>,
  dx: ArrayLike<number>,
  { V, C }: { readonly V: number; readonly C: number },
): Float64Array {
  const dTable = new Float64Array(V * C);
  for (let row = 0; row < tokens.length; row++) {
    for (let i = 0; i < C; i++) dTable[tokens[row] * C + i] += dx[row * C + i];
  }
  return dTable;
}
