// Rotary position embedding (https://arxiv.org/abs/2104.09864) in place on q and k of fused qkv [B*T, 3*NH*HS]; v is left alone. Angles come
// from a table computed in float64: WGSL's own sin and cos lose digits at large angles. HS is a multiple of 4.
import { invariant } from '../core/invariant.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, linearWorkgroups, type DispatchOp } from '../gpu/dispatch.ts';
import shader from './rope.wgsl?raw';
import { holdsHalves, storageWgsl } from './storageWgsl.ts';

const WORKGROUP_SIZE = 64;

export interface RopeBuffers {
  /** [rows, 3*NH*HS], changed in place; may be stored as halves. */
  readonly qkv: BufferView;
  /** ropeTable's numbers. */
  readonly cosSin: BufferView;
}

/** [maxT, HS/2, 2]: cos and sin of position * theta^(-2i/HS), computed in float64. */
export function ropeTable(maxT: number, HS: number, theta: number): Float32Array<ArrayBuffer> {
  const half = HS / 2;
  const table = new Float32Array(maxT * HS);
  for (let i = 0; i < half; i++) {
    const frequency = theta ** ((-2 * i) / HS);
    for (let position = 0; position < maxT; position++) {
      const entry = (position * half + i) * 2;
      table[entry] = Math.cos(position * frequency);
      table[entry + 1] = Math.sin(position * frequency);
    }
  }
  return table;
}

/** Turns row r by position r mod T; direction -1 turns back. @throws Error when HS is not a multiple of 4 */
export async function ropeForward(
  gpu: Gpu,
  { qkv, cosSin }: RopeBuffers,
  { B, T, NH, HS, direction }: { readonly B: number; readonly T: number; readonly NH: number; readonly HS: number; readonly direction: 1 | -1 },
): Promise<DispatchOp> {
  const constants = { ROWS: B * T, T, NUM_HEADS: NH, HEAD_SIZE: HS, DIRECTION: direction };
  const wgsl = shader + storageWgsl({ Qkv: qkv }, 2);
  const software = holdsHalves([qkv]) ? undefined : { kernel: 'ropeRotate', items: B * T, args: [T, NH, HS, direction] };
  return createDispatch(
    gpu,
    { label: direction === 1 ? 'rope.forward' : 'rope.backward', wgsl, entryPoint: 'rotate', constants, software },
    [qkv, cosSin],
    linearWorkgroups(B * T * itemsPerRow(NH, HS), WORKGROUP_SIZE),
  );
}

/** The gradient of a rotation is the rotation back: in place on dQkv, given as `qkv`. @throws Error when HS is not a multiple of 4 */
export async function ropeBackward(
  gpu: Gpu,
  buffers: RopeBuffers,
  shape: { readonly B: number; readonly T: number; readonly NH: number; readonly HS: number },
): Promise<DispatchOp> {
  return ropeForward(gpu, buffers, { ...shape, direction: -1 });
}

/** Invocations a row takes: q's and k's heads, two pairs each. */
function itemsPerRow(NH: number, HS: number): number {
  invariant(HS % 4 === 0, `rope needs a head size that is a multiple of 4, not ${HS}`);
  return (2 * NH * HS) / 4;
}
