// Which engine opens in a browser whose only adapter is a software one.
import { expect, it } from 'vitest';
import { openDevice } from './openDevice.ts';

it('takes WebAssembly in the place of a software adapter, and what is asked for otherwise', async () => {
  const { gpu, fallback } = await openDevice({});
  expect(gpu.adapter.engine).toBe('wasm');
  expect(fallback).toEqual({ because: 'softwareAdapter', reason: expect.stringMatching(/swiftshader/i) });
  gpu.device.destroy();
  expect(await gpu.lost).toMatchObject({ reason: 'destroyed' });

  const webgpu = await openDevice({ engine: 'webgpu' });
  expect(webgpu.gpu.adapter.engine).toBe('webgpu');
  expect(webgpu.fallback).toBeUndefined();
  webgpu.gpu.device.destroy();

  const wasm = await openDevice({ engine: 'wasm' });
  expect(wasm.gpu.adapter.name).toMatch(/^WebAssembly, \d+ threads?$/);
  expect(wasm.fallback).toBeUndefined();
  wasm.gpu.device.destroy();
});

it('switches off what it is to do without', async () => {
  const { gpu: webgpu } = await openDevice({ engine: 'webgpu', without: ['subgroups', 'measuring'] });
  expect(webgpu.adapter.features).toContain('subgroups');
  expect(webgpu.device.features.has('subgroups')).toBe(false);
  expect(webgpu.without).toEqual(new Set(['subgroups', 'measuring']));
  webgpu.device.destroy();

  const { gpu: wasm } = await openDevice({ engine: 'wasm', without: ['threads', 'fusedProducts'] });
  expect(wasm.adapter.name).toBe('WebAssembly, 1 thread');
  expect(wasm.adapter.description).not.toMatch(/one instruction/);
  wasm.device.destroy();
});
