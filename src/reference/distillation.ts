// CPU twin of the distillation loss, in nats (Hinton et al., https://arxiv.org/abs/1503.02531): the next token's loss mixed with the divergence of the
// student from its teacher, both softened by a temperature tau. The factor tau^2 keeps the gradient's size when tau changes.
//   losses[row] = (1 - weight) * -log softmax(logits[row])[target] + weight * tau^2 * KL(softmax(teacher[row] / tau) || softmax(logits[row] / tau))
// A row whose target is IGNORED_TARGET has loss 0 and gradient 0. The teacher gets no gradient.
import { crossEntropyBackward, crossEntropyForward, IGNORED_TARGET, type CrossEntropyShape } from './crossEntropy.ts';

export interface DistillationMix {
  /** Share of the teacher in the loss, in [0, 1]. */
  readonly weight: number;
  /** tau, above 0. */
  readonly temperature: number;
}

export interface DistillationInputs {
  /** [rows, V] of the student. */
  readonly logits: ArrayLike<number>;
  /** [rows, V] */
  readonly teacherLogits: ArrayLike<number>;
  /** [rows] */
  readonly targets: ArrayLike<number>;
}

/** -> losses [rows] in nats. */
export function distillationForward({ logits, teacherLogits, targets }: DistillationInputs, { weight, temperature }: DistillationMix, shape: CrossEntropyShape): Float64Array {
  const { rows, V } = shape;
  const losses = crossEntropyForward(logits, targets, shape);
  for (let row = 0; row < rows; row++) {
    if (targets[row] === IGNORED_TARGET) continue;
    const student = rowLogSoftmax(logits, row, V, temperature);
    const teacher = rowLogSoftmax(teacherLogits, row, V, temperature);
    let divergence = 0;
    for (let i = 0; i < V; i++) divergence += Math.exp(teacher[i]) * (teacher[i] - student[i]);
    losses[row] = (1 - weight) * losses[row] + weight * temperature ** 2 * divergence;
  }
  return losses;
}

/** dLogits [rows, V] of the student, times `scale`: 1 / (number of positions the mean runs over). */
export function distillationBackward({ logits, teacherLogits, targets }: DistillationInputs, { weight, temperature }: DistillationMix, scale: number, shape: CrossEntropyShape): Float64Array {
  const { rows, V } = shape;
  const dLogits = crossEntropyBackward(logits, targets, (1 - weight) * scale, shape);
  for (let row = 0; row < rows; row++) {
    if (targets[row] === IGNORED_TARGET) continue;
    const student = rowLogSoftmax(logits, row, V, temperature);
    const teacher = rowLogSoftmax(teacherLogits, row, V, temperature);
    for (let i = 0; i < V; i++) dLogits[row * V + i] += weight * temperature * (Math.exp(student[i]) - Math.exp(teacher[i])) * scale;
  }
  return dLogits;
}

/** log softmax(logits[row] / temperature) [V]. */
function rowLogSoftmax(logits: ArrayLike<number>, row: number, V: number, temperature: number): Float64Array {
  let largest = -Infinity;
  for (let i = 0; i < V; i++) largest = Math.max(largest, logits[row * V + i]);
  const shifted = Float64Array.from({ length: V }, (_, i) => (logits[row * V + i] - largest) / temperature);
  const logSum = Math.log(shifted.reduce((sum, value) => sum + Math.exp(value), 0));
  return shifted.map((value) => value - logSum);
}
