// GPU buffers with a label and a ledger, so that memory is counted from what was really created, never estimated.
import { roundUp } from '../core/tensor.ts';

/** A range of a buffer as a kernel binds it; offsets and sizes in bytes, offsets multiples of 256. */
export interface BufferView {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** WebGPU's default minStorageBufferOffsetAlignment, in bytes and in float32 elements. */
export const BINDING_ALIGNMENT = 256;
export const BINDING_ALIGNMENT_FLOATS = BINDING_ALIGNMENT / 4;

export const STORAGE_USAGE = 0x80 | 0x08 | 0x04; // STORAGE | COPY_DST | COPY_SRC, spelled as numbers: tests in Node have no GPUBufferUsage

export class BufferLedger {
  private readonly live = new Map<GPUBuffer, number>();
  private total = 0;

  constructor(private readonly device: GPUDevice) {}

  /** Bytes of all live buffers created here. */
  get bytes(): number {
    return this.total;
  }

  /** Creates a buffer of at least `bytes` (rounded up to 16). Zero-filled by WebGPU. */
  create(label: string, bytes: number, usage: number = STORAGE_USAGE): GPUBuffer {
    const size = Math.max(16, roundUp(bytes, 16));
    const buffer = this.device.createBuffer({ label, size, usage });
    this.live.set(buffer, size);
    this.total += size;
    return buffer;
  }

  /** A whole new storage buffer as a view. `numFloats` counts 4-byte elements. */
  createFloats(label: string, numFloats: number): BufferView {
    const buffer = this.create(label, numFloats * 4);
    return { buffer, offset: 0, size: numFloats * 4 };
  }

  /** A new storage buffer holding `data`. */
  upload(label: string, data: Float32Array | Uint32Array | Int32Array): BufferView {
    const view = this.createFloats(label, data.length);
    this.device.queue.writeBuffer(view.buffer, 0, data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    return view;
  }

  destroy(buffer: GPUBuffer): void {
    this.total -= this.live.get(buffer) ?? 0;
    this.live.delete(buffer);
    buffer.destroy();
  }

  destroyAll(): void {
    for (const buffer of [...this.live.keys()]) this.destroy(buffer);
  }
}

/** A scope of buffers that are freed together (one plan, one projection). */
export class BufferScope {
  private readonly owned: GPUBuffer[] = [];

  constructor(private readonly ledger: BufferLedger, private readonly owner: string) {}

  floats(name: string, numFloats: number): BufferView {
    const view = this.ledger.createFloats(`${this.owner}.${name}`, numFloats);
    this.owned.push(view.buffer);
    return view;
  }

  upload(name: string, data: Float32Array | Uint32Array | Int32Array): BufferView {
    const view = this.ledger.upload(`${this.owner}.${name}`, data);
    this.owned.push(view.buffer);
    return view;
  }

  buffer(name: string, bytes: number, usage: number): GPUBuffer {
    const buffer = this.ledger.create(`${this.owner}.${name}`, bytes, usage);
    this.owned.push(buffer);
    return buffer;
  }

  destroy(): void {
    for (const buffer of this.owned) this.ledger.destroy(buffer);
    this.owned.length = 0;
  }
}

/** A sub-range of a view, in 4-byte elements; the offset must keep the binding alignment. */
export function subview(view: BufferView, offsetFloats: number, numFloats: number): BufferView {
  return { buffer: view.buffer, offset: view.offset + offsetFloats * 4, size: numFloats * 4 };
}
