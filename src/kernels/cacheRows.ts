// Keys and values of many tokens at once into the caches of generation: where a prompt was read in one forward pass.
import { invariant } from '../core/invariant.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, linearWorkgroups, type DispatchOp } from '../gpu/dispatch.ts';
import wgsl from './cacheRows.wgsl?raw';

const WORKGROUP_SIZE = 64;

export interface CacheRowsBuffers {
  /** [rows, 3C], after rotation. */
  readonly qkv: BufferView;
  /** [maxT, C]; their first rows are assigned. */
  readonly keyCache: BufferView;
  readonly valueCache: BufferView;
}

/** Row t of the caches becomes what qkv has for token t, t < rows. @throws Error when C is not a multiple of 4 or the caches have fewer rows */
export async function cacheRows(gpu: Gpu, { qkv, keyCache, valueCache }: CacheRowsBuffers, { rows, C }: { readonly rows: number; readonly C: number }): Promise<DispatchOp> {
  invariant(C % 4 === 0, `caches need rows of a multiple of 4, not ${C}`);
  invariant([keyCache, valueCache].every(({ size }) => size >= rows * C * 4), `caches of ${keyCache.size} and ${valueCache.size} bytes hold no [${rows}, ${C}]`);
  return createDispatch(
    gpu,
    { label: 'cacheRows', wgsl, constants: { ROWS: rows, ROW_VECS: C / 4 }, software: { kernel: 'cacheRows', items: rows, args: [C] } },
    [qkv, keyCache, valueCache],
    linearWorkgroups((rows * C) / 4, WORKGROUP_SIZE),
  );
}
