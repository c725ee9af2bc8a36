import { expect, it } from 'vitest';
import { canAllocate } from './allocation.ts';

/** A device with `capacity` bytes. A real one cannot be brought to refuse without taking the machine's memory from everybody. */
function deviceWith(capacity: number, maxBufferSize: number): { device: GPUDevice; used: () => number } {
  let used = 0;
  let failed = false;
  const device = {
    limits: { maxBufferSize },
    pushErrorScope: () => { failed = false; },
    popErrorScope: async () => (failed ? { message: 'out of memory' } : null),
    createBuffer: ({ size }: GPUBufferDescriptor) => {
      const fits = used + size <= capacity;
      failed = !fits;
      if (fits) used += size;
      return { destroy: () => { if (fits) used -= size; } };
    },
  } as unknown as GPUDevice;
  return { device, used: () => used };
}

it('says yes up to the capacity, no above it, and keeps nothing', async () => {
  const { device, used } = deviceWith(1 << 20, 1 << 16);
  expect(await canAllocate(device, 1 << 20)).toBe(true);
  expect(await canAllocate(device, (1 << 20) + 1)).toBe(false);
  expect(used()).toBe(0);
});

it('says no when the device is gone', async () => {
  const { device } = deviceWith(1 << 20, 1 << 16);
  device.popErrorScope = () => Promise.reject(new Error('lost'));
  expect(await canAllocate(device, 16)).toBe(false);
});
