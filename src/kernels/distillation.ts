// The distillation loss (Hinton et al., https://arxiv.org/abs/1503.02531) over a chunk of rows, in place: what enters as the student's logits leaves as their
// gradient; the teacher's logits stay. One workgroup per row, as in crossEntropy.ts.
import { invariant } from '../core/invariant.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, type DispatchOp } from '../gpu/dispatch.ts';
import type { CrossEntropyShape, CrossEntropyViews } from './crossEntropy.ts';
import shader from './distillation.wgsl?raw';
import { elementWgsl, lanesFor } from './elementWgsl.ts';
import { STEP_SCALARS_WGSL } from './stepScalars.ts';

/** How much the teacher counts; a run may change it from step to step. */
export interface DistillationMix {
  /** Share of the teacher's distributions in the loss, in [0, 1]; the targets take the rest. */
  readonly weight: number;
  /** Divides both models' logits before their distributions are compared; above 0. */
  readonly temperature: number;
}

export interface DistillationViews extends CrossEntropyViews {
  /** [rows, V]; read only. */
  readonly teacherLogits: BufferView;
  /** [2]; see packDistillationMix. */
  readonly mix: BufferView;
}

/** The content [2] of the buffer that holds a mix. @throws Error when a number is out of its range or NaN */
export function packDistillationMix({ weight, temperature }: DistillationMix): Float32Array<ArrayBuffer> {
  invariant(weight >= 0 && weight <= 1, `distillation: the teacher's weight must be between 0 and 1, not ${weight}`);
  invariant(temperature > 0 && temperature < Infinity, `distillation: the temperature must be above 0 and finite, not ${temperature}`);
  return Float32Array.of(weight, temperature);
}

/**
 * losses[row] = (1 - weight) * NLL(target) + weight * tau^2 * KL(teacher || student) at temperature tau, in nats, and logits <- dLogits, times lossScale.
 * @throws Error when the logits are shorter than `shape` says
 */
export function distillationForwardBackward(gpu: Gpu, { logits, teacherLogits, targets, losses, scalars, mix }: DistillationViews, shape: CrossEntropyShape): Promise<DispatchOp> {
  const { rows, V, invocationsPerRow = gpu.adapter.isFallback ? 4 : 128 } = shape;
  invariant(Number.isInteger(Math.log2(invocationsPerRow)), `distillation: ${invocationsPerRow} invocations per row is no power of two`);
  for (const [whose, { size }] of [['the student', logits], ['the teacher', teacherLogits]] as const) {
    invariant(size >= rows * V * 4, `distillation: ${size} bytes of ${whose}'s logits for ${rows} rows of ${V}`);
  }
  const lanes = lanesFor(V);
  return createDispatch(
    gpu,
    {
      label: 'distillation.forwardBackward',
      wgsl: shader + elementWgsl(lanes) + STEP_SCALARS_WGSL,
      entryPoint: 'forwardBackward',
      constants: { ELEMENTS_PER_ROW: V / lanes, WORKGROUP_SIZE: invocationsPerRow },
      software: { kernel: 'distillationForwardBackward', items: rows, args: [V] },
    },
    [logits, teacherLogits, targets, losses, scalars, mix],
    [rows],
  );
}
