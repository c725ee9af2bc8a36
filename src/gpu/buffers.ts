// GPU buffers with a label and a ledger, so that memory is counted from what was really created, never estimated. WebGPU hands out a buffer even where the adapter
// has no room for it and tells so later: whoever makes buffers awaits `allocated` before using them.
import { formatBytes } from '../core/format.ts';
import { encodeFloat16 } from '../core/float16.ts';
import { UserError, invariant } from '../core/invariant.ts';
import { roundUp } from '../core/tensor.ts';

/** How the numbers of a buffer lie there. Kernels always compute in f32. */
export type Storage = 'f32' | 'f16';

/** A range of a buffer as a kernel binds it; offsets and sizes in bytes, offsets multiples of 256. */
export interface BufferView {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
  /** Halves, two to four bytes, of which kernels read and write four at a time (kernels/storageWgsl.ts); elements of four bytes where it is absent. */
  readonly storage?: 'f16';
}

export const bytesPerElement = ({ storage }: Pick<BufferView, 'storage'>): number => (storage === 'f16' ? 2 : 4);

/** WebGPU's default minStorageBufferOffsetAlignment, in bytes and in float32 elements. */
export const BINDING_ALIGNMENT = 256;
export const BINDING_ALIGNMENT_FLOATS = BINDING_ALIGNMENT / 4;

export const STORAGE_USAGE = 0x80 | 0x08 | 0x04; // STORAGE | COPY_DST | COPY_SRC, spelled as numbers: tests in Node have no GPUBufferUsage

/** The adapter refused a buffer. */
export class OutOfGpuMemoryError extends UserError {
  override name = 'OutOfGpuMemoryError';

  /** @param owner of the memory, as the sentence's subject */
  constructor(label: string, bytes: number, owner = 'The graphics adapter') {
    super(`${owner} has no room for another ${formatBytes(bytes)} (${label}).`);
  }
}

/** A buffer in the processor's own memory: the WebAssembly engine's. */
export interface HostVisible {
  /** Bytes of it, for now: asked for again after each await. Undefined where its memory may move while they are in use. */
  hostBytes(offset: number, size: number): Uint8Array | undefined;
}

/** The view's own memory, where processor and device share it: what is written there needs no queue.writeBuffer, and nothing waits for what the device still does with it. */
export const hostBytesOf = ({ buffer, offset, size }: BufferView): Uint8Array | undefined => (buffer as GPUBuffer & Partial<HostVisible>).hostBytes?.(offset, size);

interface LiveBuffer {
  readonly label: string;
  readonly size: number;
  /** Whether the adapter refused it: known a moment after it was created. */
  readonly refused: Promise<boolean>;
}

export class BufferLedger {
  private readonly live = new Map<GPUBuffer, LiveBuffer>();
  private total = 0;
  private most = 0;

  /**
   * @param whole counts these buffers, too
   * @param owner of the memory, as the subject of the sentence that there is no more
   */
  constructor(private readonly device: GPUDevice, private readonly whole?: BufferLedger, private readonly owner?: string) {}

  /** Bytes of all live buffers created here. */
  get bytes(): number {
    return this.total;
  }

  /** The largest `bytes` so far. */
  get peakBytes(): number {
    return this.most;
  }

  /** A ledger for one user of the same device; its buffers count here, too. */
  part(): BufferLedger {
    return new BufferLedger(this.device, this, this.owner);
  }

  /** Creates a buffer of at least `bytes` (rounded up to 16). Zero-filled by WebGPU. */
  create(label: string, bytes: number, usage: number = STORAGE_USAGE): GPUBuffer {
    const size = Math.max(16, roundUp(bytes, 16));
    // Opened and closed around this one call: scopes are a stack of the whole device, and several runs share it.
    this.device.pushErrorScope('out-of-memory');
    const buffer = this.device.createBuffer({ label, size, usage });
    // A lost device refuses nothing: it is reported as lost.
    const refused = this.device.popErrorScope().then((error) => error !== null, () => false);
    this.live.set(buffer, { label, size, refused });
    this.count(size);
    return buffer;
  }

  /** Waits until the adapter has given these buffers. @throws OutOfGpuMemoryError naming one that it refused */
  async allocated(buffers: readonly GPUBuffer[]): Promise<void> {
    for (const buffer of buffers) {
      const entry = this.live.get(buffer);
      if (entry && (await entry.refused)) throw new OutOfGpuMemoryError(entry.label, entry.size, this.owner);
    }
  }

  /** A whole new storage buffer as a view. `numFloats` counts 4-byte elements. */
  createFloats(label: string, numFloats: number): BufferView {
    const buffer = this.create(label, numFloats * 4);
    return { buffer, offset: 0, size: numFloats * 4 };
  }

  /** As createFloats, for halves; `count` is a multiple of 4. */
  createHalves(label: string, count: number): BufferView {
    invariant(count % 4 === 0, `${label}: halves come in fours, not ${count}`);
    return { buffer: this.create(label, count * 2), offset: 0, size: count * 2, storage: 'f16' };
  }

  /** A new storage buffer holding `values` as halves; their number is a multiple of 4. */
  uploadHalves(label: string, values: Float32Array): BufferView {
    const view = this.createHalves(label, values.length);
    this.device.queue.writeBuffer(view.buffer, 0, encodeFloat16(values));
    return view;
  }

  /** A new storage buffer holding `data`. */
  upload(label: string, data: Float32Array | Uint32Array | Int32Array): BufferView {
    const view = this.createFloats(label, data.length);
    this.device.queue.writeBuffer(view.buffer, 0, data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    return view;
  }

  destroy(buffer: GPUBuffer): void {
    this.count(-(this.live.get(buffer)?.size ?? 0));
    this.live.delete(buffer);
    buffer.destroy();
  }

  destroyAll(): void {
    for (const buffer of [...this.live.keys()]) this.destroy(buffer);
  }

  private count(bytes: number): void {
    this.total += bytes;
    this.most = Math.max(this.most, this.total);
    this.whole?.count(bytes);
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

  /** `count` is a multiple of 4. */
  halves(name: string, count: number): BufferView {
    const view = this.ledger.createHalves(`${this.owner}.${name}`, count);
    this.owned.push(view.buffer);
    return view;
  }

  /** `count` numbers as `storage` says; of halves a multiple of 4. */
  numbers(name: string, count: number, storage: Storage): BufferView {
    return storage === 'f16' ? this.halves(name, count) : this.floats(name, count);
  }

  upload(name: string, data: Float32Array | Uint32Array | Int32Array): BufferView {
    const view = this.ledger.upload(`${this.owner}.${name}`, data);
    this.owned.push(view.buffer);
    return view;
  }

  uploadHalves(name: string, values: Float32Array): BufferView {
    const view = this.ledger.uploadHalves(`${this.owner}.${name}`, values);
    this.owned.push(view.buffer);
    return view;
  }

  buffer(name: string, bytes: number, usage: number): GPUBuffer {
    const buffer = this.ledger.create(`${this.owner}.${name}`, bytes, usage);
    this.owned.push(buffer);
    return buffer;
  }

  /** Waits until the adapter has given all buffers made so far. @throws OutOfGpuMemoryError naming one that it refused */
  allocated(): Promise<void> {
    return this.ledger.allocated(this.owned);
  }

  /** As `allocated`, but frees everything of this scope before it throws. */
  async allocatedOrFreed(): Promise<void> {
    try {
      await this.allocated();
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  destroy(): void {
    for (const buffer of this.owned) this.ledger.destroy(buffer);
    this.owned.length = 0;
  }
}

/** A sub-range of a view, in its elements; the offset must keep the binding alignment: 64 floats, 128 halves. */
export function subview({ buffer, offset, storage }: BufferView, first: number, count: number): BufferView {
  const bytes = bytesPerElement({ storage });
  const range = { buffer, offset: offset + first * bytes, size: count * bytes };
  return storage ? { ...range, storage } : range;
}
