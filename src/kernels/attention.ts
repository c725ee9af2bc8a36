// Causal multi-head attention in training: softmax(q k^T / sqrt(HS)) v over fused qkv [B*T, 3*NH*HS] and its backward, without ever storing the
// T x T matrix. HS is a multiple of 4 up to 128; results are assigned.
import { invariant } from '../core/invariant.ts';
import { ceilDivide, roundUp } from '../core/tensor.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, type DispatchOp } from '../gpu/dispatch.ts';
import type { SoftwareKernel } from '../gpu/pipelines.ts';
import wgsl from './attention.wgsl?raw';

const ROWS_PER_WORKGROUP = 64;
/** A row's vectors are kept in registers; past this they would live in slow memory. */
const MAX_HEAD_SIZE = 128;

export interface AttentionShape {
  readonly B: number;
  readonly T: number;
  readonly NH: number;
  readonly HS: number;
}

export interface AttentionForwardBuffers {
  /** [B*T, 3*NH*HS]: q, k, v side by side, positions already applied. */
  readonly qkv: BufferView;
  /** [B*T, NH*HS] */
  readonly out: BufferView;
  /** [B, NH, T]: log of each query's sum of exponentials of scaled scores, kept for the backward. */
  readonly lse: BufferView;
}

export interface AttentionBackwardBuffers extends AttentionForwardBuffers {
  /** [B*T, NH*HS] */
  readonly dOut: BufferView;
  /** Scratch, [B, NH, T]. */
  readonly delta: BufferView;
  /** [B*T, 3*NH*HS], every element assigned. */
  readonly dQkv: BufferView;
}

/** @throws Error when HS is not a multiple of 4 up to 128 */
export function attentionForward(gpu: Gpu, { qkv, out, lse }: AttentionForwardBuffers, shape: AttentionShape): Promise<DispatchOp> {
  return dispatch(gpu, 'forward', [qkv, out, lse], shape);
}

/** Row deltas, then dq by query rows, then dk and dv by key rows. @throws Error when HS is not a multiple of 4 up to 128 */
export function attentionBackward(
  gpu: Gpu,
  { qkv, out, lse, dOut, delta, dQkv }: AttentionBackwardBuffers,
  shape: AttentionShape,
): Promise<DispatchOp[]> {
  return Promise.all([
    dispatch(gpu, 'rowDelta', [out, dOut, delta], shape),
    dispatch(gpu, 'queryGradient', [qkv, dOut, lse, delta, dQkv], shape),
    dispatch(gpu, 'keyValueGradient', [qkv, dOut, lse, delta, dQkv], shape),
  ]);
}

async function dispatch(
  gpu: Gpu,
  entryPoint: 'forward' | 'rowDelta' | 'queryGradient' | 'keyValueGradient',
  bindings: BufferView[],
  { B, T, NH, HS }: AttentionShape,
): Promise<DispatchOp> {
  invariant(HS > 0 && HS % 4 === 0 && HS <= MAX_HEAD_SIZE, `attention needs a head size that is a multiple of 4 up to ${MAX_HEAD_SIZE}, not ${HS}`);
  const source = {
    label: `attention.${entryPoint}`,
    wgsl: `${wgsl}\nconst HEAD_VECS: u32 = ${HS / 4}u;\n`,
    entryPoint,
    constants: { T, NUM_HEADS: NH, SCALE: 1 / Math.sqrt(HS) },
    software: softwareKernel(entryPoint, { B, T, NH, HS }),
  };
  return createDispatch(gpu, source, bindings, [ceilDivide(T, ROWS_PER_WORKGROUP), NH, B]);
}

/** Items are blocks of four rows of one head, of rowDelta rows of all heads; scratch as attention.as.ts says. */
function softwareKernel(entryPoint: 'forward' | 'rowDelta' | 'queryGradient' | 'keyValueGradient', { B, T, NH, HS }: AttentionShape): SoftwareKernel {
  const T8 = roundUp(T, 8);
  return {
    kernel: { forward: 'attentionForward', rowDelta: 'attentionRowDelta', queryGradient: 'attentionQueryGradient', keyValueGradient: 'attentionKeyValueGradient' }[entryPoint],
    items: entryPoint === 'rowDelta' ? B * T : B * NH * ceilDivide(T, 4),
    args: [T, NH, HS, 1 / Math.sqrt(HS)],
    scratchFloats: 2 * T8 * HS + 8 * HS + 8 * T8 + 36,
  };
}
