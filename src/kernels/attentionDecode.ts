// Attention of one new token in generation: its query attends over positions 0..state[0] of the caches [maxT, NH*HS], to which its own key and value were added before (vectorProduct.ts). HS is a multiple of 4 up to 128. The
// caller keeps state[0] below maxT.
import { invariant } from '../core/invariant.ts';
import { ceilDivide } from '../core/tensor.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, type DispatchOp } from '../gpu/dispatch.ts';
import { usesBarriers } from './barriers.ts';
import wgsl from './attentionDecode.wgsl?raw';

const MAX_HEAD_SIZE = 128;
const ALONE_WORKGROUP_SIZE = 4;

export interface AttentionDecodeBuffers {
  /** [NH*HS] */
  readonly query: BufferView;
  /** [maxT, NH*HS]; rows 0..state[0] are read. */
  readonly keyCache: BufferView;
  readonly valueCache: BufferView;
  /** [NH*HS], assigned. */
  readonly out: BufferView;
  /** u32; [0] is the token's position. */
  readonly state: BufferView;
}

/** `sharedKeys` for GPUs; `alone` where barriers cost more than scores computed over and over. */
export type AttentionDecodeVariant = 'sharedKeys' | 'alone';

/** @throws Error when HS is not a multiple of 4 up to 128 or the caches are not [maxT, NH*HS] */
export async function attentionDecode(
  gpu: Gpu,
  { query, keyCache, valueCache, out, state }: AttentionDecodeBuffers,
  { NH, HS, maxT, variant = usesBarriers(gpu) ? 'sharedKeys' : 'alone' }: { readonly NH: number; readonly HS: number; readonly maxT: number; readonly variant?: AttentionDecodeVariant },
): Promise<DispatchOp> {
  invariant(HS % 4 === 0 && HS <= MAX_HEAD_SIZE, `attention needs a head size that is a multiple of 4 up to ${MAX_HEAD_SIZE}, not ${HS}`);
  const cacheBytes = maxT * NH * HS * 4;
  invariant(keyCache.size === cacheBytes && valueCache.size === cacheBytes, `key and value caches of ${keyCache.size} and ${valueCache.size} bytes are not [${maxT}, ${NH * HS}]`);
  const vecs = HS % 8 === 0 ? 2 : 1;
  const shape = { NUM_HEADS: NH, HEAD_SIZE: HS, SCALE: 1 / Math.sqrt(HS) };
  return createDispatch(
    gpu,
    {
      label: `attentionDecode.${variant}`, wgsl, entryPoint: variant, constants: variant === 'alone' ? { ...shape, VECS: vecs } : shape,
      software: { kernel: 'attentionAttend', items: NH, args: [NH, HS, 1 / Math.sqrt(HS)], scratchFloats: maxT + 8 },
    },
    [query, state, keyCache, valueCache, out],
    [variant === 'alone' ? ceilDivide((NH * HS) / 4 / vecs, ALONE_WORKGROUP_SIZE) : NH],
  );
}
