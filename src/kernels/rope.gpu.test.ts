// Rotary position embedding against its CPU twin.
import { expect, it } from 'vitest';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import * as twin from '../reference/rope.ts';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { ropeBackward, ropeForward, ropeTable } from './rope.ts';

const THETA = 10_000;
const SHAPES = [
  { B: 1, T: 1, NH: 1, HS: 4 },
  { B: 2, T: 5, NH: 3, HS: 12 },
  { B: 3, T: 37, NH: 2, HS: 32 },
];

for (const shape of SHAPES) {
  const { B, T, NH, HS } = shape;
  it(`turns ${JSON.stringify(shape)} forth and back`, async () => {
    const gpu = await testGpu();
    await withoutGpuErrors(gpu, async () => {
      const values = randomFloats(B * T * 3 * NH * HS, 1);
      // A table longer than T: positions, not table length, decide.
      const cosSin = gpu.buffers.upload('test.cosSin', ropeTable(T + 3, HS, THETA));
      const run = async (direction: 1 | -1): Promise<Float32Array> => {
        const qkv = gpu.buffers.upload('test.qkv', values);
        const op = direction === 1 ? ropeForward(gpu, { qkv, cosSin }, { ...shape, direction }) : ropeBackward(gpu, { qkv, cosSin }, shape);
        submitOps(gpu, 'test', [await op]);
        return readFloats(gpu, qkv);
      };
      const forward = await run(1);
      expectClose('forward', forward, twin.ropeForward(values, { ...shape, theta: THETA }), 1e-6);
      expectClose('backward', await run(-1), twin.ropeBackward(values, { ...shape, theta: THETA }), 1e-6);
      expect(await run(1)).toEqual(forward);
    });
  });
}

it('keeps far positions exact: the table is computed in float64', () => {
  const HS = 8;
  const table = ropeTable(100_001, HS, THETA);
  const at = (100_000 * (HS / 2) + 1) * 2;
  expectClose('far angle', table.slice(at, at + 2), [Math.cos(10_000), Math.sin(10_000)], 1e-7);
});

it('refuses a head size that is no multiple of four', async () => {
  const gpu = await testGpu();
  const view = gpu.buffers.createFloats('test.any', 36);
  await expect(ropeForward(gpu, { qkv: view, cosSin: view }, { B: 1, T: 2, NH: 1, HS: 6, direction: 1 })).rejects.toThrow(/multiple of 4, not 6/);
});
