// Which engine opens in a browser whose only adapter is a software one.
import { expect, it } from 'vitest';
import { openDevice } from './openDevice.ts';

it('takes WebAssembly in the place of a software adapter, and what is asked for otherwise', async () => {
  const { gpu, fallback } = await openDevice('auto');
  expect(gpu.adapter.engine).toBe('wasm');
  expect(fallback).toEqual({ because: 'softwareAdapter', reason: expect.stringMatching(/swiftshader/i) });
  gpu.device.destroy();
  expect(await gpu.lost).toMatchObject({ reason: 'destroyed' });

  const webgpu = await openDevice('webgpu');
  expect(webgpu.gpu.adapter.engine).toBe('webgpu');
  expect(webgpu.fallback).toBeUndefined();
  webgpu.gpu.device.destroy();

  const wasm = await openDevice('wasm');
  expect(wasm.gpu.adapter.name).toMatch(/^WebAssembly, \d+ threads?$/);
  expect(wasm.fallback).toBeUndefined();
  wasm.gpu.device.destroy();
});
