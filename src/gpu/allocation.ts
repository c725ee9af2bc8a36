// Whether the adapter really gives so much memory: WebGPU tells neither how much there is nor how much is free, so the only honest question is to ask for it.
import { STORAGE_USAGE } from './buffers.ts';

const CHUNK_BYTES = 2 ** 28;

/**
 * Allocates `bytes` beside everything already there, piece by piece until the adapter refuses one, and frees them again. Nothing is written to them: an
 * adapter that lends the machine's own memory (a software one) would really take it, and a browser that runs out of that loses the device.
 */
export async function canAllocate(device: GPUDevice, bytes: number): Promise<boolean> {
  const chunk = Math.min(CHUNK_BYTES, device.limits.maxBufferSize);
  const buffers: GPUBuffer[] = [];
  try {
    for (let left = bytes; left > 0; left -= chunk) {
      const size = Math.max(16, Math.ceil(Math.min(chunk, left) / 16) * 16);
      device.pushErrorScope('out-of-memory');
      buffers.push(device.createBuffer({ label: 'allocation.check', size, usage: STORAGE_USAGE }));
      if (await device.popErrorScope()) return false;
    }
    return true;
  } catch {
    return false; // the device is gone
  } finally {
    for (const buffer of buffers) buffer.destroy();
  }
}
