// The device behaves as WebGPU's does where the code above relies on it: order of writes and dispatches, buffers freed while they are in use, memory that runs out.
import { beforeEach, describe, expect, it } from 'vitest';
import { canAllocate } from '../gpu/allocation.ts';
import { BufferLedger, BufferScope, subview } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, submitOps, type DispatchOp } from '../gpu/dispatch.ts';
import { Readback, readFloats } from '../gpu/readback.ts';
import { swigluForward } from '../reference/swiglu.ts';
import { loadKernels } from './kernelBuild.ts';
import type { KernelJob, KernelRunner } from './kernelJob.ts';
import { LinearMemory } from './linearMemory.ts';
import { openWasm } from './openWasm.ts';
import { SoftwareDevice } from './softwareDevice.ts';

/** act = silu(gate) * up over gateUp [rows, 2F], as a dispatch of this device's own kernel. */
function swiglu(gpu: Gpu, bindings: Parameters<typeof createDispatch>[2], rows: number, F: number): Promise<DispatchOp> {
  return createDispatch(gpu, { label: 'test.swiglu', wgsl: '', software: { kernel: 'swigluForward', items: rows, args: [F] } }, bindings, [1]);
}

describe('SoftwareDevice', () => {
  let gpu: Gpu;
  beforeEach(async () => {
    gpu = await openWasm();
  });

  it('names itself', () => {
    expect(gpu.adapter).toMatchObject({ engine: 'wasm', name: 'WebAssembly, 1 thread', isFallback: true });
  });

  it('keeps writes, dispatches, copies and clears in order', async () => {
    const gateUp = gpu.buffers.createFloats('test.gateUp', 8);
    const act = gpu.buffers.createFloats('test.act', 4);
    const kept = gpu.buffers.createFloats('test.kept', 68);
    const op = await swiglu(gpu, [gateUp, act], 1, 4);
    const values = [Float32Array.of(1, 2, 3, 4, 1, 1, 1, 1), Float32Array.of(-1, -2, -3, -4, 2, 2, 2, 2)];
    for (const [i, value] of values.entries()) {
      gpu.device.queue.writeBuffer(gateUp.buffer, 0, value);
      submitOps(gpu, 'test', [op, { kind: 'copy', label: 'keep', source: act, target: subview(kept, 64 * i, 4) }, { kind: 'clear', label: 'clear', view: act }]);
    }
    // After what was submitted, not before it.
    gpu.device.queue.writeBuffer(gateUp.buffer, 0, new Float32Array(8));
    const results = await readFloats(gpu, kept);
    for (const [i, value] of values.entries()) {
      const expected = swigluForward(value, { rows: 1, F: 4 });
      results.subarray(64 * i, 64 * i + 4).forEach((result, k) => expect(result).toBeCloseTo(expected[k], 5));
    }
    expect([...(await readFloats(gpu, act))]).toEqual([0, 0, 0, 0]);
    expect([...(await readFloats(gpu, gateUp))]).toEqual(new Array(8).fill(0));
  });

  it('writes parts of arrays as WebGPU does', async () => {
    const view = gpu.buffers.createFloats('test.view', 4);
    gpu.device.queue.writeBuffer(view.buffer, 4, Float32Array.of(1, 2, 3, 4, 5), 1, 2);
    gpu.device.queue.writeBuffer(view.buffer, 12, Float32Array.of(7, 8).buffer, 4, 4);
    expect([...(await readFloats(gpu, view))]).toEqual([0, 2, 3, 8]);
    expect(() => gpu.device.queue.writeBuffer(view.buffer, 8, new Float32Array(4))).toThrow(RangeError);
  });

  it('frees a buffer only when what was submitted no longer uses it', async () => {
    const gateUp = gpu.buffers.upload('test.gateUp', Float32Array.of(1, 2, 3, 4, 1, 1, 1, 1));
    const act = gpu.buffers.createFloats('test.act', 4);
    submitOps(gpu, 'test', [await swiglu(gpu, [gateUp, act], 1, 4)]);
    gpu.buffers.destroy(gateUp.buffer);
    const next = gpu.buffers.upload('test.next', new Float32Array(8).fill(99));
    expect((await readFloats(gpu, act))[0]).toBeCloseTo(1 / (1 + Math.exp(-1)), 6);
    expect((await readFloats(gpu, next))[7]).toBe(99);
  });

  it('reads results into memory of their own', async () => {
    const view = gpu.buffers.upload('test.view', Float32Array.of(1, 2, 3, 4));
    const readback = new Readback(gpu, 'test.readback', 16);
    const [first, second] = [await readback.readFloats(view), await readback.readFloats(view)];
    expect(first.buffer).toBeInstanceOf(ArrayBuffer);
    first.fill(0);
    expect([...second]).toEqual([1, 2, 3, 4]);
  });

  it('refuses what no kernel computes', async () => {
    await expect(gpu.pipelines.get({ label: 'test.shader', wgsl: '' })).rejects.toThrow('test.shader has no WebAssembly kernel');
  });
});

it('tells of memory that has run out, and has it again', async () => {
  const { module } = await loadKernels({ shared: false });
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 65_536 });
  const jobs: KernelJob[] = [];
  const runner: KernelRunner = { numThreads: 2, run: async (run) => void jobs.push(...run), lost: new Promise(() => {}), destroy: () => {} };
  expect(module).toBeInstanceOf(WebAssembly.Module);
  const software = new SoftwareDevice(new LinearMemory(memory, 65_536, 2 ** 20), runner, 2 ** 20);
  const device = software as unknown as GPUDevice;
  const ledger = new BufferLedger(device, undefined, 'The WebAssembly engine');
  const scope = new BufferScope(ledger, 'test');
  scope.floats('small', 1000);
  scope.floats('large', 2 ** 18);
  await expect(scope.allocatedOrFreed()).rejects.toThrow('The WebAssembly engine has no room for another 1.0 MB (test.large).');
  expect(await canAllocate(device, 2 ** 19)).toBe(true);
  expect(await canAllocate(device, 2 ** 20)).toBe(false);
  const thread = { label: 'test.scratch', wgsl: '', software: { kernel: 'any', items: 1, args: [], scratchFloats: 2 ** 17 } };
  await expect(software.pipelines.get(thread)).rejects.toThrow('The WebAssembly engine has no room');
});
