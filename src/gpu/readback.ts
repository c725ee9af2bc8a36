// Reading results back to the CPU. A Readback owns one reusable staging buffer so that a training step allocates nothing; what is large comes through it in pieces.
import { decodeFloat16 } from '../core/float16.ts';
import { BufferScope, bytesPerElement, type BufferView } from './buffers.ts';
import type { Gpu } from './device.ts';
import { submitOps, type CopyOp } from './dispatch.ts';
import { pieceBytes } from './limits.ts';

const MAP_READ_USAGE = 0x01 | 0x08; // MAP_READ | COPY_DST
const MAP_MODE_READ = 0x01;

export class Readback {
  private readonly scope: BufferScope;
  private readonly staging: GPUBuffer;

  /** `maxBytes`: the largest read; a multiple of 4. */
  constructor(private readonly gpu: Gpu, label: string, private readonly maxBytes: number) {
    this.scope = new BufferScope(gpu.buffers, label);
    this.staging = this.scope.buffer('staging', maxBytes, MAP_READ_USAGE);
  }

  /** Copies `view` after everything submitted so far and returns its bytes. Reads one at a time. @throws OutOfGpuMemoryError; Error when the device is lost */
  async read(view: BufferView): Promise<ArrayBuffer> {
    if (view.size > this.maxBytes) throw new Error(`Readback of ${view.size} bytes over its ${this.maxBytes}`);
    const encoder = this.gpu.device.createCommandEncoder({ label: 'readback' });
    encoder.copyBufferToBuffer(view.buffer, view.offset, this.staging, 0, view.size);
    this.gpu.device.queue.submit([encoder.finish()]);
    await this.map(view.size);
    const bytes = this.staging.getMappedRange(0, view.size).slice(0);
    this.staging.unmap();
    return bytes;
  }

  /** For a plan that is replayed: the copy of `view` to byte `offset` of the staging buffer. What it brings, `receive` gives out. */
  copyOf(view: BufferView, offset: number): CopyOp {
    if (offset + view.size > this.maxBytes) throw new Error(`Readback of ${offset + view.size} bytes over its ${this.maxBytes}`);
    return { kind: 'copy', label: 'readback', source: view, target: { buffer: this.staging, offset, size: view.size } };
  }

  /** Waits for the submitted copies into the staging buffer and writes its first floats into `values`. @throws as read */
  async receive(values: Float32Array): Promise<void> {
    await this.map(values.byteLength);
    values.set(new Float32Array(this.staging.getMappedRange(0, values.byteLength)));
    this.staging.unmap();
  }

  /** The view's numbers; halves are widened, which is exact. */
  async readFloats(view: BufferView): Promise<Float32Array> {
    const bytes = await this.read(view);
    return view.storage === 'f16' ? decodeFloat16(new Uint16Array(bytes)) : new Float32Array(bytes);
  }

  /** Waits until the adapter has given the staging buffer. @throws OutOfGpuMemoryError when it refused */
  allocated(): Promise<void> {
    return this.scope.allocated();
  }

  destroy(): void {
    this.scope.destroy();
  }

  private async map(bytes: number): Promise<void> {
    try {
      await this.staging.mapAsync(MAP_MODE_READ, 0, bytes);
    } catch (error) {
      // Staging that the adapter had no room for cannot be mapped: that is the reason to give, not the mapping.
      await this.allocated();
      throw error;
    }
  }
}

/** Bytes of staging that readFloats takes for views of so many bytes together. */
export const readingBytes = (gpu: Gpu, bytes: number): number => Math.min(bytes, pieceBytes(gpu.device.limits));

/**
 * Reads views once, one after the other, through a staging buffer of its own. What is large is read piece by piece: nothing may write to the views before this resolves.
 * @throws OutOfGpuMemoryError; Error when the device is lost
 */
export async function readFloats(gpu: Gpu, views: BufferView | readonly BufferView[]): Promise<Float32Array> {
  const all = 'buffer' in views ? [views] : views;
  const bytes = all.reduce((sum, { size }) => sum + size, 0);
  const values = new Float32Array(all.reduce((sum, view) => sum + view.size / bytesPerElement(view), 0));
  const most = readingBytes(gpu, bytes);
  const readback = new Readback(gpu, 'readback.once', most);
  try {
    let first = 0;
    for (const view of all) {
      for (let done = 0; done < view.size; done += most) {
        const piece = { ...view, offset: view.offset + done, size: Math.min(most, view.size - done) };
        const count = piece.size / bytesPerElement(view);
        if (view.storage === 'f16') {
          values.set(await readback.readFloats(piece), first);
        } else {
          submitOps(gpu, 'readback', [readback.copyOf(piece, 0)]);
          await readback.receive(values.subarray(first, first + count));
        }
        first += count;
      }
    }
    return values;
  } finally {
    readback.destroy();
  }
}
