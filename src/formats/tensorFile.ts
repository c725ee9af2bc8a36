// Named tensors in a safetensors file that stays on disk: only the ranges asked for are read, so that a file larger than memory can be used.
import { decodeFloat16 } from '../core/float16.ts';
import { UserError } from '../core/invariant.ts';
import { readingOf } from './byteReading.ts';
import { bytesPerElement, readSafetensorsHeader, type StoredTensor } from './safetensorsHeader.ts';

export interface TensorFile {
  /** The file's name, as messages give it. */
  readonly name: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /**
   * Raw little-endian bytes of a tensor, or of its bytes [byteStart, byteEnd); a fresh, aligned copy.
   * @throws UserError when the file can no longer be read (removed, or the browser's storage cleared)
   */
  readBytes(tensor: string, byteStart?: number, byteEnd?: number): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Fills `target` with a tensor's raw bytes from `byteStart` on; what is read on the way is let go piece by piece.
   * @throws UserError as readBytes
   */
  readInto(tensor: string, byteStart: number, target: Uint8Array): Promise<void>;
  /** A whole F32 or F16 tensor as float32, row-major. @throws UserError as readBytes, and for any other dtype */
  readFloats(tensor: string): Promise<Float32Array<ArrayBuffer>>;
}

/** A browser reads a file in another process, and every piece goes through several hands: several at once keep all of them busy (bench/LOG.md). */
const READ_CHUNK_BYTES = 8 << 20;
const READS_AT_ONCE = 2;

/** Reads the header of `file` and leaves the tensors where they are. `chunkBytes`: what readInto asks for at once. @throws UserError from readSafetensorsHeader */
export async function openTensorFile(file: Blob, name: string, { chunkBytes = READ_CHUNK_BYTES }: { readonly chunkBytes?: number } = {}): Promise<TensorFile> {
  const tensors = await readSafetensorsHeader(file, name);
  const read = readingOf(file);

  const find = (tensor: string): StoredTensor => {
    const stored = tensors.get(tensor);
    if (!stored) throw new UserError(`${name} has no tensor ${tensor}.`);
    return stored;
  };
  const fill = async (tensor: string, byteStart: number, target: Uint8Array): Promise<void> => {
    const { byteOffset, byteLength } = find(tensor);
    const end = byteStart + target.length;
    if (!(byteStart >= 0 && end <= byteLength)) throw new RangeError(`${name}: bytes ${byteStart} to ${end} are not within ${tensor} (${byteLength} bytes)`);
    try {
      await read(byteOffset + byteStart, target);
    } catch {
      throw new UserError(`${name} can no longer be read (tensor ${tensor}): it was removed or changed since it was opened; load the pack again.`);
    }
  };
  const readBytes: TensorFile['readBytes'] = async (tensor, byteStart = 0, byteEnd = find(tensor).byteLength) => {
    const target = new Uint8Array(Math.max(0, byteEnd - byteStart));
    await fill(tensor, byteStart, target);
    return target;
  };
  const readInto: TensorFile['readInto'] = async (tensor, byteStart, target) => {
    let next = 0;
    const readOn = async (): Promise<void> => {
      while (next < target.length) {
        const start = next;
        const end = Math.min(target.length, start + chunkBytes);
        next = end;
        await fill(tensor, byteStart + start, target.subarray(start, end));
      }
    };
    // All are waited for: when this ends, whichever way, nothing writes into `target` any more.
    const failed = (await Promise.allSettled(Array.from({ length: READS_AT_ONCE }, readOn))).find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  };
  const readFloats: TensorFile['readFloats'] = async (tensor) => {
    const { dtype } = find(tensor);
    const { buffer } = await readBytes(tensor);
    if (dtype === 'F32') return new Float32Array(buffer);
    if (dtype === 'F16') return decodeFloat16(new Uint16Array(buffer));
    throw new UserError(`${name}: tensor ${tensor} is stored as ${dtype}, which cannot be read as float32.`);
  };
  return { name, tensors, readBytes, readInto, readFloats };
}

const SCAN_CHUNK_BYTES = 4 << 20;

/**
 * Looks for NaN or infinite values, chunk by chunk; a float is not finite exactly when all its exponent bits are set.
 * @throws UserError naming the file, the tensor and the index of the first value that is not finite
 */
export async function requireFiniteTensors(file: TensorFile, signal?: AbortSignal): Promise<void> {
  for (const [tensor, { dtype, byteLength }] of file.tensors) {
    for (let start = 0; start < byteLength; start += SCAN_CHUNK_BYTES) {
      signal?.throwIfAborted();
      const { buffer } = await file.readBytes(tensor, start, Math.min(start + SCAN_CHUNK_BYTES, byteLength));
      const index = dtype === 'F32' ? firstWithAllBits(new Uint32Array(buffer), 0x7f800000)
        : dtype === 'F16' ? firstWithAllBits(new Uint16Array(buffer), 0x7c00)
        : -1;
      if (index < 0) continue;
      const element = start / (bytesPerElement(dtype) ?? 1) + index;
      throw new UserError(`${file.name}: tensor ${tensor} holds a value that is NaN or infinite (element ${element}).`);
    }
  }
}

function firstWithAllBits(values: Uint32Array | Uint16Array, mask: number): number {
  for (let i = 0; i < values.length; i++) if ((values[i] & mask) === mask) return i;
  return -1;
}
