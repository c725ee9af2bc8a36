// A copy of f32 numbers as halves: the weights that a step's products read, from the master weights that the optimizer changes.
import { invariant } from '../core/invariant.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, linearWorkgroups, type DispatchOp } from '../gpu/dispatch.ts';
import shader from './halfCopy.wgsl?raw';
import { storageWgsl } from './storageWgsl.ts';

const WORKGROUP_SIZE = 256;

/** halves [count] <- numbers [count], rounded; beyond 65,504 infinity. @throws Error when `halves` is not stored as halves, or the lengths differ */
export async function halfCopy(gpu: Gpu, { numbers, halves }: { readonly numbers: BufferView; readonly halves: BufferView }): Promise<DispatchOp> {
  invariant(halves.storage === 'f16' && numbers.storage === undefined && numbers.size === 2 * halves.size, 'halfCopy: f32 numbers and as many halves');
  return createDispatch(gpu, { label: 'halfCopy', wgsl: shader + storageWgsl({ Halves: halves }) }, [numbers, halves], linearWorkgroups(halves.size / 8, WORKGROUP_SIZE));
}
