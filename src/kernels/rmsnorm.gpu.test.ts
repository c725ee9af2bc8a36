// RMSNorm against its CPU twin, with and without the residual add, on shapes that divide by nothing.
import { expect, it } from 'vitest';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import * as twin from '../reference/rmsnorm.ts';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { rmsnormBackward, rmsnormForward, rmsnormPartialsFloats } from './rmsnorm.ts';

const EPS = 1e-5;
// One row, one vec4f, rows beyond one workgroup's team, widths beyond one pass of a team, rows beyond the largest number of chunks.
const SHAPES = [[1, 4], [1, 128], [3, 12], [37, 20], [70, 132], [1100, 8]] as const;

async function forward(gpu: Gpu, x: Float32Array, addend: Float32Array | undefined, weight: Float32Array, rows: number, hiddenSize: number) {
  const view = (data: Float32Array): BufferView => gpu.buffers.upload('test.rmsnorm', data);
  const y = gpu.buffers.createFloats('test.y', rows * hiddenSize);
  const sum = gpu.buffers.createFloats('test.sum', rows * hiddenSize);
  const rstd = gpu.buffers.createFloats('test.rstd', rows);
  const residual = addend ? { addend: view(addend), sum } : {};
  submitOps(gpu, 'test', [await rmsnormForward(gpu, { x: view(x), ...residual, weight: view(weight), y, rstd }, { rows, hiddenSize, eps: EPS })]);
  return { y: await readFloats(gpu, y), rstd: await readFloats(gpu, rstd), sum: await readFloats(gpu, sum) };
}

for (const [rows, hiddenSize] of SHAPES) {
  const x = randomFloats(rows * hiddenSize, 1);
  const addend = randomFloats(rows * hiddenSize, 2);
  const weight = randomFloats(hiddenSize, 3);

  it(`norms [${rows}, ${hiddenSize}] as the twin does`, async () => {
    const gpu = await testGpu();
    await withoutGpuErrors(gpu, async () => {
      const expected = twin.rmsnormForward(x, weight, { rows, C: hiddenSize, eps: EPS });
      const actual = await forward(gpu, x, undefined, weight, rows, hiddenSize);
      expectClose('y', actual.y, expected.y, 1e-5);
      expectClose('rstd', actual.rstd, expected.rstd, 1e-5);

      const added = x.map((value, i) => value + addend[i]);
      const expectedSum = twin.rmsnormForward(added, weight, { rows, C: hiddenSize, eps: EPS });
      const actualSum = await forward(gpu, x, addend, weight, rows, hiddenSize);
      expect(actualSum.sum).toEqual(added);
      expectClose('y of the sum', actualSum.y, expectedSum.y, 1e-5);
      expectClose('rstd of the sum', actualSum.rstd, expectedSum.rstd, 1e-5);
    });
  });

  it(`goes back through [${rows}, ${hiddenSize}] as the twin does`, async () => {
    const gpu = await testGpu();
    await withoutGpuErrors(gpu, async () => {
      const dy = randomFloats(rows * hiddenSize, 4);
      const { rstd } = twin.rmsnormForward(x, weight, { rows, C: hiddenSize, eps: EPS });
      const expected = twin.rmsnormBackward(dy, x, weight, rstd, { rows, C: hiddenSize });
      const oldDx = randomFloats(rows * hiddenSize, 5);
      const oldDWeight = randomFloats(hiddenSize, 6);
      for (const accumulateDx of [false, true]) {
        const run = async () => {
          const view = (data: Float32Array): BufferView => gpu.buffers.upload('test.rmsnorm', data);
          const dx = view(oldDx);
          const dWeight = view(oldDWeight);
          const partials = gpu.buffers.createFloats('test.partials', rmsnormPartialsFloats({ rows, hiddenSize }));
          const buffers = { dy: view(dy), x: view(x), weight: view(weight), rstd: view(Float32Array.from(rstd)), dx, dWeight, partials };
          submitOps(gpu, 'test', await rmsnormBackward(gpu, buffers, { rows, hiddenSize, accumulateDx }));
          return { dx: await readFloats(gpu, dx), dWeight: await readFloats(gpu, dWeight) };
        };
        const actual = await run();
        expectClose('dx', actual.dx, accumulateDx ? expected.dx.map((value, i) => value + oldDx[i]) : expected.dx, 1e-5);
        expectClose('dWeight', actual.dWeight, expected.dWeight.map((value, i) => value + oldDWeight[i]), 1e-5);
        expect(await run()).toEqual(actual);
      }
    });
  });
}

it('keeps a NaN row in its row, forward and backward', async () => {
  const gpu = await testGpu();
  await withoutGpuErrors(gpu, async () => {
    const rows = 11;
    const hiddenSize = 20;
    const badRow = 5;
    const x = randomFloats(rows * hiddenSize, 1);
    x[badRow * hiddenSize + 3] = NaN;
    const weight = randomFloats(hiddenSize, 3);
    const { y, rstd } = await forward(gpu, x, undefined, weight, rows, hiddenSize);
    const view = (data: Float32Array): BufferView => gpu.buffers.upload('test.rmsnorm', data);
    const dx = gpu.buffers.createFloats('test.dx', rows * hiddenSize);
    const dWeight = gpu.buffers.createFloats('test.dWeight', hiddenSize);
    const partials = gpu.buffers.createFloats('test.partials', rmsnormPartialsFloats({ rows, hiddenSize }));
    const dy = view(randomFloats(rows * hiddenSize, 4));
    submitOps(gpu, 'test', await rmsnormBackward(gpu, { dy, x: view(x), weight: view(weight), rstd: view(rstd), dx, dWeight, partials }, { rows, hiddenSize, accumulateDx: false }));
    const isFinite = (values: Float32Array): boolean[] => [...values].map(Number.isFinite);
    const expected = Array.from({ length: rows * hiddenSize }, (_, i) => Math.floor(i / hiddenSize) !== badRow);
    expect(isFinite(y)).toEqual(expected);
    expect(isFinite(await readFloats(gpu, dx))).toEqual(expected);
    expect(isFinite(await readFloats(gpu, dWeight))).toEqual(Array(hiddenSize).fill(false));
  });
});

it('refuses a width that is no multiple of four, and half a residual', async () => {
  const gpu = await testGpu();
  const view = gpu.buffers.createFloats('test.any', 24);
  const any = { x: view, weight: view, y: view, rstd: view };
  await expect(rmsnormForward(gpu, any, { rows: 2, hiddenSize: 6, eps: EPS })).rejects.toThrow(/multiple of 4, not 6/);
  await expect(rmsnormForward(gpu, { ...any, addend: view }, { rows: 2, hiddenSize: 8, eps: EPS })).rejects.toThrow(/addend and sum together/);
});
