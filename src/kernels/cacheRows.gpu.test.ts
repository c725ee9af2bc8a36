// Keys and values of many tokens land in the caches' first rows, and nothing else changes.
import { expect, it } from 'vitest';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { cacheRows } from './cacheRows.ts';

for (const [rows, C, maxT] of [[1, 4, 1], [5, 12, 9], [67, 64, 67]] as const) {
  it(`fills ${rows} of ${maxT} rows of ${C}`, async () => {
    const gpu = await testGpu();
    const qkvValues = randomFloats(rows * 3 * C, 1);
    const before = randomFloats(maxT * C, 2);
    const { keys, values } = await withoutGpuErrors(gpu, async () => {
      const [qkv, keyCache, valueCache] = [gpu.buffers.upload('test.qkv', qkvValues), gpu.buffers.upload('test.keys', before), gpu.buffers.upload('test.values', before)];
      submitOps(gpu, 'test', [await cacheRows(gpu, { qkv, keyCache, valueCache }, { rows, C })]);
      return { keys: await readFloats(gpu, keyCache), values: await readFloats(gpu, valueCache) };
    });
    const expected = (section: number): number[] =>
      Array.from(before, (value, i) => (i < rows * C ? qkvValues[Math.floor(i / C) * 3 * C + section * C + (i % C)] : value));
    expect(Array.from(keys)).toEqual(expected(1));
    expect(Array.from(values)).toEqual(expected(2));
  });
}

it('refuses caches that are too short and rows that are no whole vectors', async () => {
  const gpu = await testGpu();
  const view = gpu.buffers.createFloats('test.short', 12);
  await expect(cacheRows(gpu, { qkv: view, keyCache: view, valueCache: view }, { rows: 4, C: 4 })).rejects.toThrow('hold no [4, 4]');
  await expect(cacheRows(gpu, { qkv: view, keyCache: view, valueCache: view }, { rows: 1, C: 6 })).rejects.toThrow('multiple of 4, not 6');
});
