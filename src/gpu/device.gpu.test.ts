// The device opens in real Chromium and computes: if WebGPU is missing this fails, on purpose.
import { expect, it } from 'vitest';
import { testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { createDispatch, submitOps } from './dispatch.ts';
import { readFloats } from './readback.ts';

const DOUBLE = `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
override FACTOR: f32 = 1.0;
@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3u) { y[id.x] = x[id.x] * FACTOR; }
`;

it('opens a named adapter', async () => {
  const gpu = await testGpu();
  expect(gpu.adapter.name.length).toBeGreaterThan(0);
});

it('runs a dispatch and counts its buffers', async () => {
  const gpu = await testGpu();
  await withoutGpuErrors(gpu, async () => {
    const before = gpu.buffers.bytes;
    const x = gpu.buffers.upload('test.x', Float32Array.of(1, 2, 3, 4));
    const y = gpu.buffers.createFloats('test.y', 4);
    expect(gpu.buffers.bytes).toBe(before + 32);
    submitOps(gpu, 'test', [await createDispatch(gpu, { label: 'test.double', wgsl: DOUBLE, constants: { FACTOR: 2 } }, [x, y], [1])]);
    expect([...(await readFloats(gpu, y))]).toEqual([2, 4, 6, 8]);
    gpu.buffers.destroy(x.buffer);
    gpu.buffers.destroy(y.buffer);
    expect(gpu.buffers.bytes).toBe(before);
  });
});

it('quotes the compiler when a shader is wrong', async () => {
  const gpu = await testGpu();
  await expect(gpu.pipelines.get({ label: 'test.wrong', wgsl: '@compute @workgroup_size(1) fn main() { let a: u32 = 1.5; }' })).rejects.toThrow(/test\.wrong does not compile/);
});
