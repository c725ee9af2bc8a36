// SwiGLU's activation (https://arxiv.org/abs/2002.05202) on fused gateUp [rows, 2F], gate first: act [rows, F] = silu(gate) * up, and its
// backward. F is a multiple of 4; results are assigned. Each operand may be stored as halves.
import { invariant } from '../core/invariant.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, linearWorkgroups, type DispatchOp } from '../gpu/dispatch.ts';
import { holdsHalves, storageWgsl } from './storageWgsl.ts';
import shader from './swiglu.wgsl?raw';

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
  return dispatch(gpu, 'forward', { GateUp: gateUp, Act: act }, shape);
}

/** dGateUp [rows, 2F] is assigned. @throws Error when F is not a multiple of 4 */
export function swigluBackward(
  gpu: Gpu,
  { gateUp, dAct, dGateUp }: { readonly gateUp: BufferView; readonly dAct: BufferView; readonly dGateUp: BufferView },
  shape: SwigluShape,
): Promise<DispatchOp> {
  return dispatch(gpu, 'backward', { GateUp: gateUp, DAct: dAct, DGateUp: dGateUp }, shape);
}

/** `operands` in the order of their bindings, by the names of their aliases in the shader. */
async function dispatch(gpu: Gpu, entryPoint: 'forward' | 'backward', operands: Readonly<Record<string, BufferView>>, { rows, F }: SwigluShape): Promise<DispatchOp> {
  invariant(F % 4 === 0, `swiglu needs a width that is a multiple of 4, not ${F}`);
  const bindings = Object.values(operands);
  const wgsl = shader + storageWgsl({ Act: undefined, DAct: undefined, DGateUp: undefined, ...operands });
  const kernel = entryPoint === 'forward' ? 'swigluForward' : 'swigluBackward';
  const software = holdsHalves(bindings) ? undefined : { kernel, items: rows, args: [F] };
  const source = { label: `swiglu.${entryPoint}`, wgsl, entryPoint, constants: { ROWS: rows, ROW_VECS: F / 4 }, software };
  return createDispatch(gpu, source, bindings, linearWorkgroups((rows * F) / 4, WORKGROUP_SIZE));
}
