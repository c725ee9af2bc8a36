// SwiGLU's activation (https://arxiv.org/abs/2002.05202) on fused gateUp [rows, 2F], gate first: act [rows, F] = silu(gate) * up, and its
// backward. F is a multiple of 4; results are assigned.
import { invariant } from '../core/invariant.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, linearWorkgroups, type DispatchOp } from '../gpu/dispatch.ts';
import wgsl from './swiglu.wgsl?raw';

const WORKGROUP_SIZE = 64;

export interface SwigluShape {
  readonly rows: number;
  readonly F: number;
}

/** @throws Error when F is not a multiple of 4 */
export function swigluForward(
  gpu: Gpu,
  { gateUp, act }: { readonly gateUp: BufferView; readonly act: BufferView },
  shape: SwigluShape,
): Promise<DispatchOp> {
  return dispatch(gpu, 'forward', [gateUp, act], shape);
}

/** dGateUp [rows, 2F] is assigned. @throws Error when F is not a multiple of 4 */
export function swigluBackward(
  gpu: Gpu,
  { gateUp, dAct, dGateUp }: { readonly gateUp: BufferView; readonly dAct: BufferView; readonly dGateUp: BufferView },
  shape: SwigluShape,
): Promise<DispatchOp> {
  return dispatch(gpu, 'backward', [gateUp, dAct, dGateUp], shape);
}

async function dispatch(gpu: Gpu, entryPoint: 'forward' | 'backward', bindings: BufferView[], { rows, F }: SwigluShape): Promise<DispatchOp> {
  invariant(F % 4 === 0, `swiglu needs a width that is a multiple of 4, not ${F}`);
  const source = { label: `swiglu.${entryPoint}`, wgsl, entryPoint, constants: { ROWS: rows, ROW_VECS: F / 4 }, software: { kernel: entryPoint === 'forward' ? 'swigluForward' : 'swigluBackward', items: rows, args: [F] } };
  return createDispatch(gpu, source, bindings, linearWorkgroups((rows * F) / 4, WORKGROUP_SIZE));
}
