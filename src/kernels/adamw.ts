// Fused AdamW over one contiguous range of parameters; ranges that decay (matrices) and ranges that do not (norms) take a call each.
import { ceilDivide } from '../core/tensor.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, linearWorkgroups, type DispatchOp } from '../gpu/dispatch.ts';
import shader from './adamw.wgsl?raw';
import { STEP_SCALARS_WGSL } from './stepScalars.ts';
import { lastLanes, wholeVectors } from './wholeVectors.ts';

/** As in adamw.wgsl. */
const WORKGROUP_SIZE = 256;
const FLOATS_PER_ITEM = 2048;

export interface AdamwViews {
  /** [numFloats], updated. */
  readonly weights: BufferView;
  /** [numFloats], only read: clearing them is the caller's. */
  readonly gradients: BufferView;
  /** [numFloats], updated; zero before the first step. */
  readonly m: BufferView;
  /** [numFloats], updated; zero before the first step. */
  readonly v: BufferView;
  readonly scalars: BufferView;
  /** norm[1] multiplies the gradient; where norm[0] is infinite or NaN, nothing changes. */
  readonly norm: BufferView;
}

/** w <- w - learningRate * (mHat / (sqrt(vHat) + epsilon) + weightDecay * w, the last term if `decays`). */
export function adamw(gpu: Gpu, views: AdamwViews, { numFloats, decays }: { numFloats: number; decays: boolean }): Promise<DispatchOp> {
  const { weights, gradients, m, v, scalars, norm } = views;
  return createDispatch(
    gpu,
    {
      label: 'adamw', wgsl: shader + STEP_SCALARS_WGSL, constants: { LAST_LANES: lastLanes(numFloats), DECAYS: decays ? 1 : 0 },
      software: { kernel: 'adamw', items: ceilDivide(numFloats, FLOATS_PER_ITEM), args: [numFloats, Number(decays), FLOATS_PER_ITEM] },
    },
    [...[weights, gradients, m, v].map((view) => wholeVectors(view, numFloats)), scalars, norm],
    linearWorkgroups(ceilDivide(numFloats, 4), WORKGROUP_SIZE),
  );
}
