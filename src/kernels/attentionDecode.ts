// Attention of one new token in generation: its k and v (positions already applied) join the caches [maxT, NH*HS] at position state[0],
// and its query attends over positions 0..state[0]. HS is a multiple of 4 up to 128. The caller keeps state[0] below maxT.
import { invariant } from '../core/invariant.ts';
import { ceilDivide } from '../core/tensor.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, type DispatchOp } from '../gpu/dispatch.ts';
import wgsl from './attentionDecode.wgsl?raw';

const WORKGROUP_SIZE = 64;
const MAX_HEAD_SIZE = 128;

export interface AttentionDecodeBuffers {
  /** [1, 3*NH*HS] */
  readonly qkv: BufferView;
  /** [maxT, NH*HS]; rows before state[0] were written by earlier tokens. */
  readonly keyCache: BufferView;
  readonly valueCache: BufferView;
  /** [1, NH*HS], assigned. */
  readonly out: BufferView;
  /** u32; [0] is the token's position. */
  readonly state: BufferView;
}

/** Append, then attend. @throws Error when HS is not a multiple of 4 up to 128 or the caches are not [maxT, NH*HS] */
export async function attentionDecode(
  gpu: Gpu,
  { qkv, keyCache, valueCache, out, state }: AttentionDecodeBuffers,
  { NH, HS, maxT }: { readonly NH: number; readonly HS: number; readonly maxT: number },
): Promise<DispatchOp[]> {
  invariant(HS % 4 === 0 && HS <= MAX_HEAD_SIZE, `attention needs a head size that is a multiple of 4 up to ${MAX_HEAD_SIZE}, not ${HS}`);
  const cacheBytes = maxT * NH * HS * 4;
  invariant(keyCache.size === cacheBytes && valueCache.size === cacheBytes, `key and value caches of ${keyCache.size} and ${valueCache.size} bytes are not [${maxT}, ${NH * HS}]`);
  const shape = { NUM_HEADS: NH, HEAD_SIZE: HS };
  return Promise.all([
    createDispatch(
      gpu,
      { label: 'attentionDecode.append', wgsl, entryPoint: 'append', constants: shape, software: { kernel: 'attentionAppend', items: 1, args: [NH, HS] } },
      [qkv, state, keyCache, valueCache],
      [ceilDivide((NH * HS) / 4, WORKGROUP_SIZE)],
    ),
    createDispatch(
      gpu,
      {
        label: 'attentionDecode.attend', wgsl, entryPoint: 'attend', constants: { ...shape, SCALE: 1 / Math.sqrt(HS) },
        software: { kernel: 'attentionAttend', items: NH, args: [NH, HS, 1 / Math.sqrt(HS)], scratchFloats: maxT + 8 },
      },
      [qkv, state, keyCache, valueCache, out],
      [NH],
    ),
  ]);
}
