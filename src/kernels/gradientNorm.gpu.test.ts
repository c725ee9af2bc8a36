// Global norm = its CPU twin over several segments of odd lengths, accurate to 1e-6 at ten million elements, clip scale from data, bit-equal twice.
import { describe, expect, it } from 'vitest';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { clipScale, globalNorm } from '../reference/gradientNorm.ts';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { gradientNorm, gradientNormPartials } from './gradientNorm.ts';
import { NUM_STEP_SCALARS, STEP_SCALARS } from './stepScalars.ts';

async function run(tensors: readonly Float32Array[], clipNorm: number, gradientScale = 1): Promise<Float32Array> {
  const gpu = await testGpu();
  return withoutGpuErrors(gpu, async () => {
    const gradients = tensors.map((data) => {
      const padded = new Float32Array(Math.ceil(data.length / 4) * 4).fill(7); // the padding must not count
      padded.set(data);
      return { ...gpu.buffers.upload('test.gradients', padded), size: data.byteLength };
    });
    const values = new Float32Array(NUM_STEP_SCALARS);
    values[STEP_SCALARS.clipNorm] = clipNorm;
    values[STEP_SCALARS.inverseGradientScale] = 1 / gradientScale;
    const partials = gpu.buffers.createFloats('test.partials', gradientNormPartials(gradients));
    const norm = gpu.buffers.createFloats('test.norm', 2);
    submitOps(gpu, 'test', await gradientNorm(gpu, { gradients, partials, scalars: gpu.buffers.upload('test.scalars', values), norm }));
    const result = await readFloats(gpu, norm);
    gpu.buffers.destroyAll();
    return result;
  });
}

describe('gradientNorm', () => {
  const segments = [randomFloats(1, 1), randomFloats(130, 2), randomFloats(4096, 3), randomFloats(70_003, 4)];
  const expected = globalNorm(segments);

  it('is the norm over all segments, padding excluded', async () => {
    const [norm, scale] = await run(segments, 1);
    expectClose('norm', [norm], [expected], 1e-6);
    expectClose('scale', [scale], [clipScale(expected, 1)], 1e-6);
  });

  it('does not scale a norm below the bound up', async () => {
    expect((await run(segments, 1e4))[1]).toBe(1);
  });

  it('is 0 with scale 1 for gradients of zero', async () => {
    expect([...(await run([new Float32Array(100)], 1))]).toEqual([0, 1]);
  });

  it('takes the scale out that gradients carry, to the bit', async () => {
    const scaled = segments.map((segment) => segment.map((value) => value * 1024));
    for (const clipNorm of [1, 1e4]) {
      const [norm, scale] = await run(segments, clipNorm);
      expect([...(await run(scaled, clipNorm, 1024))]).toEqual([norm, scale / 1024]);
    }
  });

  it('is bit-equal from run to run', async () => {
    expect(await run(segments, 1)).toEqual(await run(segments, 1));
  });

  it('lets NaN and infinity through to norm[0]', async () => {
    expect(Number.isFinite((await run([segments[2].with(77, NaN), segments[1]], 1))[0])).toBe(false);
    expect(Number.isFinite((await run([segments[2].with(77, Infinity)], 1))[0])).toBe(false);
  });

  it('keeps 1e-6 over ten million elements, equal ones (rounding piles up) and random ones', async () => {
    const equal = new Float32Array(10_000_001).fill(0.1);
    expectClose('equal', [(await run([equal], 1))[0]], [globalNorm([equal])], 1e-6);
    const random = randomFloats(10_000_001, 9);
    expectClose('random', [(await run([random], 1))[0]], [globalNorm([random])], 1e-6);
  });
});
