// The weights that all experts share, from the file into an arena: piece by piece through memory that is used again, so that they never lie in JavaScript as a whole.
import type { TensorFile } from '../formats/tensorFile.ts';
import { decodeFloat16 } from '../core/float16.ts';
import { subview } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { writeFloats } from '../gpu/upload.ts';
import { pieceBytes } from '../gpu/limits.ts';
import type { Arena } from './arena.ts';
import { slotOf } from './parameters.ts';

/** Writes the named weights, stored as F16 or F32. @throws UserError when the file can no longer be read; the signal's reason */
export async function streamWeights(gpu: Gpu, file: TensorFile, names: readonly string[], arena: Arena, signal?: AbortSignal): Promise<void> {
  const most = pieceBytes(gpu.device.limits) / 4;
  const largest = Math.min(most, Math.max(...names.map((name) => slotOf(arena.table, name).length)));
  const stored = new ArrayBuffer(largest * 4);
  const floats = new Float32Array(largest);
  for (const name of names) {
    const { offset, length } = slotOf(arena.table, name);
    const isHalf = file.tensors.get(name)?.dtype === 'F16';
    for (let first = 0; first < length; first += most) {
      signal?.throwIfAborted();
      const count = Math.min(most, length - first);
      const bytesEach = isHalf ? 2 : 4;
      await file.readInto(name, first * bytesEach, new Uint8Array(stored, 0, count * bytesEach));
      const values = isHalf ? decodeFloat16(new Uint16Array(stored, 0, count), floats) : new Float32Array(stored, 0, count);
      await writeFloats(gpu, [subview(arena.range(offset, length), first, count)], values);
      // The browser keeps a copy of what it was given until the GPU has it: one at a time.
      if (length > most) await gpu.device.queue.onSubmittedWorkDone();
    }
  }
}
