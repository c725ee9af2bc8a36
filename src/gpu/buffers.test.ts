import { expect, it } from 'vitest';
import { BufferLedger, BufferScope, OutOfGpuMemoryError } from './buffers.ts';

/** A device that refuses buffers of more than `most` bytes, and tells so in the innermost error scope as WebGPU does: later. */
function deviceAllowing(most: number): GPUDevice {
  const scopes: boolean[] = [];
  return {
    pushErrorScope: () => void scopes.push(false),
    popErrorScope: async () => (scopes.pop() ? { message: 'out of memory' } : null),
    createBuffer: ({ size }: GPUBufferDescriptor) => {
      if (size > most) scopes[scopes.length - 1] = true;
      return { destroy: () => {} };
    },
  } as unknown as GPUDevice;
}

it('counts what each user has, and all of them together, now and at most', () => {
  const whole = new BufferLedger(deviceAllowing(Infinity));
  const [a, b] = [whole.part(), whole.part()];
  const first = a.create('a.first', 100);
  b.create('b.first', 32);
  expect([a.bytes, b.bytes, whole.bytes]).toEqual([112, 32, 144]);
  a.destroy(first);
  a.create('a.second', 16);
  expect([a.bytes, a.peakBytes, whole.bytes, whole.peakBytes]).toEqual([16, 112, 48, 144]);
  a.destroyAll();
  b.destroyAll();
  expect([a.bytes, b.bytes, whole.bytes]).toEqual([0, 0, 0]);
});

it('names the buffer that was refused, to the scope that made it and to no other', async () => {
  const ledger = new BufferLedger(deviceAllowing(1024));
  const [small, large] = [new BufferScope(ledger, 'small'), new BufferScope(ledger, 'large')];
  small.floats('a', 4);
  large.floats('b', 4);
  large.floats('c', 2 ** 20);
  small.floats('d', 4);
  await small.allocated();
  await expect(large.allocated()).rejects.toThrow(new OutOfGpuMemoryError('large.c', 2 ** 22));
  await expect(large.allocatedOrFreed()).rejects.toThrow('The graphics adapter has no room for another 4.0 MB (large.c).');
  expect(ledger.bytes).toBe(32);
  small.destroy();
});

it('leaves the loss of the device to be told as such', async () => {
  const device = deviceAllowing(Infinity);
  device.popErrorScope = () => Promise.reject(new Error('lost'));
  const scope = new BufferScope(new BufferLedger(device), 'late');
  scope.floats('a', 4);
  await scope.allocated();
});
