// Proves a backward against calculus: each checked entry of the gradient must equal the central finite difference of the scalar loss
// in float64. The error is measured on the tensor's own scale, plus the rounding that a difference of two losses cannot avoid; NaN fails.
import { createRandom } from '../core/random.ts';

export interface GradientCheck {
  /** Names the gradient in the failure, e.g. 'rmsnorm dx'. */
  readonly what: string;
  /** Computes the loss from the present values of `values`. */
  readonly loss: () => number;
  /** The tensor the gradient is taken of; each entry is moved and put back. */
  readonly values: Float64Array;
  /** The gradient under test, as long as `values`. */
  readonly gradient: ArrayLike<number>;
  /** Check only this many entries, drawn from a fixed seed, the largest gradient always among them; default all. */
  readonly numSamples?: number;
  readonly tolerance?: number;
}

/** Near the cube root of float64's epsilon, where truncation and rounding of a central difference balance. */
const STEP = 1e-5;

/** @throws Error naming `what`, the index and both values where gradient and finite difference differ or anything is NaN */
export function expectGradient({ what, loss, values, gradient, numSamples, tolerance = 1e-7 }: GradientCheck): void {
  if (gradient.length !== values.length) throw new Error(`${what}: gradient has ${gradient.length} entries, values have ${values.length}`);
  let scale = 0;
  for (let i = 0; i < gradient.length; i++) scale = Math.max(scale, Math.abs(gradient[i]));
  for (const i of sampledIndices(gradient, numSamples)) {
    const kept = values[i];
    values[i] = kept + STEP;
    const above = loss();
    values[i] = kept - STEP;
    const below = loss();
    values[i] = kept;
    const difference = (above - below) / (2 * STEP);
    const rounding = (32 * Number.EPSILON * Math.max(Math.abs(above), Math.abs(below), 1)) / STEP;
    const error = Math.abs(gradient[i] - difference);
    if (!(error <= tolerance * scale + rounding)) {
      throw new Error(`${what}: entry ${i} is ${gradient[i]}, finite difference says ${difference} (tensor scale ${scale})`);
    }
  }
}

/** Sum of output * cotangent: turns an op with an array output into a scalar loss whose gradient at the output is `cotangent`. */
export function dot(output: ArrayLike<number>, cotangent: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < output.length; i++) sum += output[i] * cotangent[i];
  return sum;
}

/** Standard normal values in float64 from a seed. */
export function randomNormals(length: number, seed: number): Float64Array {
  const random = createRandom(seed);
  return Float64Array.from({ length }, () => random.normal());
}

function sampledIndices(gradient: ArrayLike<number>, numSamples: number | undefined): number[] {
  if (numSamples === undefined || numSamples >= gradient.length) return Array.from({ length: gradient.length }, (_, i) => i);
  let largest = 0;
  for (let i = 1; i < gradient.length; i++) if (Math.abs(gradient[i]) > Math.abs(gradient[largest])) largest = i;
  const random = createRandom(gradient.length);
  const indices = new Set([largest]);
  while (indices.size < numSamples) indices.add(random.integer(gradient.length));
  return [...indices];
}
