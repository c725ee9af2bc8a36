// Projection = its CPU twin from raw file bytes: F16 and F32, slices in several runs, odd sizes, every finite half-precision value.
import { describe, expect, it } from 'vitest';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps, type Op } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { projectionBackward as referenceBackward, projectionForward as referenceForward } from '../reference/projection.ts';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { projectionBackward, projectionForward, projectionPartials, sliceBytes, type SliceDtype } from './projection.ts';

/** Value of a half-precision bit pattern, from its definition. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

interface Slices {
  readonly words: Uint32Array;
  readonly values: Float64Array;
}

/** Random slices as a file holds them, with their exact values. */
function randomSlices(count: number, sliceDtype: SliceDtype, seed: number): Slices {
  if (sliceDtype === 'F32') {
    const floats = randomFloats(count, seed);
    return { words: new Uint32Array(floats.buffer), values: Float64Array.from(floats) };
  }
  const halves = new Uint16Array(Math.ceil(count / 2) * 2);
  const noise = randomFloats(count, seed);
  for (let i = 0; i < count; i++) halves[i] = (noise[i] < 0 ? 0x8000 : 0) | Math.floor(Math.abs(noise[i]) * 0x4000); // magnitudes below 2
  return { words: new Uint32Array(halves.buffer), values: Float64Array.from({ length: count }, (_, i) => halfValue(halves[i])) };
}

/** The slices [first, first + h) of `slices` as a buffer of their own. */
function uploadRun(gpu: Gpu, { words }: Slices, first: number, { h, size, sliceDtype }: { h: number; size: number; sliceDtype: SliceDtype }): BufferView {
  const bytes = sliceDtype === 'F16' ? 2 : 4;
  const run = new Uint8Array(sliceBytes({ h, size, sliceDtype }));
  run.set(new Uint8Array(words.buffer, words.byteOffset + first * size * bytes, h * size * bytes));
  return gpu.buffers.upload('test.slices', new Uint32Array(run.buffer));
}

interface Shape {
  readonly h: number;
  readonly size: number;
  readonly sliceDtype: SliceDtype;
  /** Slices per dispatch. */
  readonly slicesPerRun: number;
}

async function run({ h, size, sliceDtype, slicesPerRun }: Shape, slices: Slices, c: Float32Array, dW: Float32Array) {
  const gpu = await testGpu();
  return withoutGpuErrors(gpu, async () => {
    const coefficients = gpu.buffers.upload('test.coefficients', c);
    const dWeight = gpu.buffers.upload('test.dWeight', dW);
    const weight = gpu.buffers.upload('test.weight', new Float32Array(size).fill(NaN)); // the first run assigns
    const dCoefficients = gpu.buffers.createFloats('test.dCoefficients', h);
    const partials = gpu.buffers.createFloats('test.partials', projectionPartials({ h, size }));
    const ops: Op[] = [];
    for (let firstSlice = 0; firstSlice < h; firstSlice += slicesPerRun) {
      const shape = { h: Math.min(slicesPerRun, h - firstSlice), size, firstSlice, sliceDtype };
      const bound = uploadRun(gpu, slices, firstSlice, shape);
      ops.push(await projectionForward(gpu, { slices: bound, coefficients, weight }, { ...shape, accumulate: firstSlice > 0 }));
      ops.push(...(await projectionBackward(gpu, { slices: bound, dWeight, partials, dCoefficients }, shape)));
    }
    submitOps(gpu, 'test', ops);
    const result = { weight: await readFloats(gpu, weight), dCoefficients: await readFloats(gpu, dCoefficients) };
    gpu.buffers.destroyAll();
    return result;
  });
}

describe('projection', () => {
  const shapes: Shape[] = [
    { h: 8, size: 384 * 16, sliceDtype: 'F16', slicesPerRun: 8 },
    { h: 5, size: 24 * 36, sliceDtype: 'F16', slicesPerRun: 2 },
    { h: 3, size: 26 * 31, sliceDtype: 'F16', slicesPerRun: 3 },
    { h: 3, size: 7 * 9, sliceDtype: 'F16', slicesPerRun: 1 },
    { h: 3, size: 7 * 9, sliceDtype: 'F16', slicesPerRun: 3 },
    { h: 1, size: 1, sliceDtype: 'F16', slicesPerRun: 1 },
    { h: 4, size: 20 * 30, sliceDtype: 'F32', slicesPerRun: 3 },
    { h: 2, size: 33, sliceDtype: 'F32', slicesPerRun: 2 },
  ];
  for (const shape of shapes) {
    const { h, size, sliceDtype, slicesPerRun } = shape;
    it(`equals its twin for ${h} ${sliceDtype} slices of ${size}, ${slicesPerRun} at a time`, async () => {
      const slices = randomSlices(h * size, sliceDtype, h + size);
      const c = randomFloats(h, 5);
      const dW = randomFloats(size, 6);
      const actual = await run(shape, slices, c, dW);
      expectClose('weight', actual.weight, referenceForward(c, slices.values, { h, size }), 1e-6);
      expectClose('dCoefficients', actual.dCoefficients, referenceBackward(dW, slices.values, { h, size }), 1e-5);
    });
  }

  it('is bit-equal from run to run', async () => {
    const shape: Shape = { h: 4, size: 4096, sliceDtype: 'F16', slicesPerRun: 4 };
    const slices = randomSlices(4 * 4096, 'F16', 1);
    const once = (): ReturnType<typeof run> => run(shape, slices, randomFloats(4, 2), randomFloats(4096, 3));
    expect(await once()).toEqual(await once());
  });

  for (const size of [65_536, 32_767]) {
    it(`decodes every finite half exactly, subnormals too (slices of ${size})`, async () => {
      // The odd size takes the path that decodes one half at a time; two slices then cover all patterns but the last two.
      const h = Math.floor(65_536 / size);
      const bits = Uint16Array.from({ length: 65_536 }, (_, i) => ((i >> 10) & 31) === 31 ? 0 : i);
      const words = new Uint32Array(bits.buffer);
      const slices = { words, values: Float64Array.from(bits, halfValue) };
      for (let slice = 0; slice < h; slice++) {
        const c = new Float32Array(h);
        c[slice] = 1;
        const { weight } = await run({ h, size, sliceDtype: 'F16', slicesPerRun: h }, slices, c, new Float32Array(size));
        let wrong = 0;
        for (let i = 0; i < size; i++) if (!(weight[i] === slices.values[slice * size + i])) wrong++;
        expect(wrong).toBe(0);
      }
    });
  }
});
