// CPU twin of the next-token loss, in nats: losses[row] = log(sum exp(logits[row])) - logits[row, target]. A row whose target is
// IGNORED_TARGET has loss 0 and gradient 0.

/** The target of a position that is not trained on (padding). */
export const IGNORED_TARGET = 0xffffffff;

export interface CrossEntropyShape {
  readonly rows: number;
  readonly V: number;
}

/** logits [rows, V], targets [rows] -> losses [rows] in nats. */
export function crossEntropyForward(logits: ArrayLike<number>, targets: ArrayLike<number>, { rows, V }: CrossEntropyShape): Float64Array {
  const losses = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    if (targets[row] === IGNORED_TARGET) continue;
    losses[row] = rowLogSumExp(logits, row, V) - logits[row * V + targets[row]];
  }
  return losses;
}

/** dLogits [rows, V] = (softmax - onehot(target)) * scale; `scale` is 1 / (number of positions the mean runs over). */
export function crossEntropyBackward(
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
  scale: number,
  { rows, V }: CrossEntropyShape,
): Float64Array {
  const dLogits = new Float64Array(rows * V);
  for (let row = 0; row < rows; row++) {
    if (targets[row] === IGNORED_TARGET) continue;
    const logSum = rowLogSumExp(logits, row, V);
    for (let i = 0; i < V; i++) {
      const probability = Math.exp(logits[row * V + i] - logSum);
      dLogits[row * V + i] = (probability - (i === targets[row] ? 1 : 0)) * scale;
    }
  }
  return dLogits;
}

function rowLogSumExp(logits: ArrayLike<number>, row: number, V: number): number {
  let largest = -Infinity;
  for (let i = 0; i < V; i++) largest = Math.max(largest, logits[row * V + i]);
  let sum = 0;
  for (let i = 0; i < V; i++) sum += Math.exp(logits[row * V + i] - largest);
  return largest + Math.log(sum);
}
