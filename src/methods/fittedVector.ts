// The `fitted` strategy: a few Adam steps (Kingma and Ba, arXiv 1412.6980) on the m numbers of the expert vector alone, through the projection, on training text.
// All other weights stay as pretrained, so a handful of windows cannot overfit it much.
import type { Projector } from '../model/projection.ts';
import type { SmallModel } from '../model/smallModel.ts';
import type { FillBatch } from '../training/stepper.ts';

export interface FittedOptions {
  readonly steps: number;
  /** Micro-batches per step, as in fine-tuning: its gradient is that of their mean loss. */
  readonly microBatches: number;
  /** Adam's step size, in units of the vector's own entries (about 1). */
  readonly learningRate: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: number, loss: number) => void;
}

export interface FittedVector {
  readonly vector: Float64Array;
  /** Loss of each step's windows before its update, in nats per token. */
  readonly curve: readonly number[];
}

const BETA1 = 0.9;
const BETA2 = 0.99;
const EPSILON = 1e-8;

/**
 * Leaves `model` holding the projection of the returned vector.
 * @throws when a loss is not finite; DOMException AbortError on abort
 */
export async function fitVector(model: SmallModel, projector: Projector, start: ArrayLike<number>, fill: FillBatch, options: FittedOptions): Promise<FittedVector> {
  const { steps, microBatches, learningRate, signal, onStep } = options;
  const vector = Float64Array.from(start);
  const m = new Float64Array(vector.length);
  const v = new Float64Array(vector.length);
  const tokens = new Uint32Array(model.rows);
  const targets = new Uint32Array(model.rows);
  const curve: number[] = [];
  model.setLossScale(1 / (model.rows * microBatches));
  await projector.project(vector, model.weights, signal);
  for (let step = 1; step <= steps; step++) {
    signal?.throwIfAborted();
    let loss = 0;
    for (let microBatch = 0; microBatch < microBatches; microBatch++) {
      fill(tokens, targets);
      model.accumulateGradients(tokens, targets, { clear: microBatch === 0 });
      loss += (await model.meanLoss()) / microBatches;
    }
    if (!Number.isFinite(loss)) throw new Error(`The loss is not a finite number at step ${step} of fitting the expert vector.`);
    const gradient = await projector.vectorGradient(model.gradients);
    curve.push(loss);
    // The step size falls linearly, so that the last batches average out instead of being chased.
    const rate = learningRate * (1 - (step - 1) / steps);
    for (let q = 0; q < vector.length; q++) {
      m[q] = BETA1 * m[q] + (1 - BETA1) * gradient[q];
      v[q] = BETA2 * v[q] + (1 - BETA2) * gradient[q] ** 2;
      vector[q] -= (rate * (m[q] / (1 - BETA1 ** step))) / (Math.sqrt(v[q] / (1 - BETA2 ** step)) + EPSILON);
    }
    await projector.reproject(vector, model.weights, signal);
    onStep?.(step, loss);
  }
  return { vector, curve };
}
