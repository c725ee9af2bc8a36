// Binding a range of floats as vec4f when its length does not divide by four: the binding is widened into the padding that every buffer and every
// 256-byte aligned sub-range has behind it, and the kernel leaves the padding alone.
import { invariant } from '../core/invariant.ts';
import { ceilDivide } from '../core/tensor.ts';
import type { BufferView } from '../gpu/buffers.ts';

/** The first `numFloats` of `view`, rounded up to whole vec4f. */
export function wholeVectors(view: BufferView, numFloats: number): BufferView {
  const size = ceilDivide(numFloats, 4) * 16;
  invariant(view.size >= numFloats * 4, `view of ${view.size} bytes is shorter than ${numFloats} floats`);
  invariant(view.offset + size <= view.buffer.size, `no padding behind ${numFloats} floats at byte ${view.offset} of ${view.buffer.label}`);
  return { buffer: view.buffer, offset: view.offset, size };
}

/** How many floats of the last vec4f belong to a range of `numFloats`: 1 to 4. */
export function lastLanes(numFloats: number): number {
  return ((numFloats - 1) % 4) + 1;
}
