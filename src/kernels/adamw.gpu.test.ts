// AdamW = its CPU twin over several steps, for every tail length, with and without decay; padding behind a range stays untouched.
import { describe, expect, it } from 'vitest';
import { subview } from '../gpu/buffers.ts';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { adamwStep } from '../reference/adamw.ts';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { adamw } from './adamw.ts';
import { packStepScalars } from './stepScalars.ts';

const SETTINGS = { learningRate: 3e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1 };
const CLIP_SCALE = 0.25;
const STEPS = 5;
const PADDING = 9;

/** Steps on the range [64, 64 + numFloats) of buffers filled with PADDING elsewhere; returns whole buffers. */
async function run(numFloats: number, decays: boolean, gradientNorm = 4): Promise<Record<'weights' | 'm' | 'v', Float32Array>> {
  const gpu = await testGpu();
  return withoutGpuErrors(gpu, async () => {
    const whole = (data: Float32Array): Float32Array => {
      const padded = new Float32Array(64 + numFloats + 64).fill(PADDING);
      padded.set(data, 64);
      return padded;
    };
    const zeros = new Float32Array(numFloats);
    const buffers = {
      weights: gpu.buffers.upload('test.weights', whole(randomFloats(numFloats, 1))),
      gradients: gpu.buffers.upload('test.gradients', whole(zeros)),
      m: gpu.buffers.upload('test.m', whole(zeros)),
      v: gpu.buffers.upload('test.v', whole(zeros)),
    };
    const part = (name: keyof typeof buffers) => subview(buffers[name], 64, numFloats);
    const scalars = gpu.buffers.createFloats('test.scalars', 16);
    const norm = gpu.buffers.upload('test.norm', Float32Array.of(gradientNorm, CLIP_SCALE));
    const op = await adamw(gpu, { weights: part('weights'), gradients: part('gradients'), m: part('m'), v: part('v'), scalars, norm }, { numFloats, decays });
    for (let step = 1; step <= STEPS; step++) {
      gpu.device.queue.writeBuffer(buffers.gradients.buffer, 256, gradientsOf(numFloats, step));
      gpu.device.queue.writeBuffer(scalars.buffer, 0, packStepScalars({ ...SETTINGS, lossScale: 1, clipNorm: 1, step }));
      submitOps(gpu, 'test', [op]);
    }
    const result = { weights: await readFloats(gpu, buffers.weights), m: await readFloats(gpu, buffers.m), v: await readFloats(gpu, buffers.v) };
    gpu.buffers.destroyAll();
    return result;
  });
}

/** From 1 down to 1e-6, so that the second moment spans many magnitudes. */
function gradientsOf(numFloats: number, step: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(randomFloats(numFloats, 100 + step), (value, i) => value * 10 ** -(i % 7));
}

function twin(numFloats: number, decays: boolean) {
  const state = {
    weights: Float64Array.from(randomFloats(numFloats, 1)),
    gradients: new Float64Array(numFloats),
    m: new Float64Array(numFloats),
    v: new Float64Array(numFloats),
  };
  for (let step = 1; step <= STEPS; step++) {
    state.gradients.set(gradientsOf(numFloats, step));
    adamwStep(state, { ...SETTINGS, weightDecay: decays ? SETTINGS.weightDecay : 0, step, gradientScale: CLIP_SCALE });
  }
  return state;
}

describe('adamw', () => {
  for (const numFloats of [1, 2, 3, 4, 259, 1026]) {
    for (const decays of [true, false]) {
      it(`equals its twin after ${STEPS} steps on ${numFloats} floats ${decays ? 'with' : 'without'} decay`, async () => {
        const actual = await run(numFloats, decays);
        const expected = twin(numFloats, decays);
        const start = randomFloats(numFloats, 1);
        const moved = (weights: ArrayLike<number>): Float64Array => Float64Array.from(start, (value, i) => weights[i] - value);
        for (const name of ['weights', 'm', 'v'] as const) {
          const mine = actual[name].subarray(64, 64 + numFloats);
          expectClose(name, mine, expected[name], 1e-6);
          const padding = [...actual[name].subarray(0, 64), ...actual[name].subarray(64 + numFloats)];
          expect(padding).toEqual(new Array(128).fill(PADDING));
        }
        // Every weight moves by about learningRate * STEPS, whatever the size of its gradient.
        expectClose('moved', moved(actual.weights.subarray(64, 64 + numFloats)), moved(expected.weights), 1e-4);
      });
    }
  }

  it.each([Infinity, -Infinity, NaN])('changes nothing where the norm is %f', async (norm) => {
    const numFloats = 259;
    const { weights, m, v } = await run(numFloats, true, norm);
    expect(weights.subarray(64, 64 + numFloats)).toEqual(randomFloats(numFloats, 1));
    for (const moments of [m, v]) expect(moments.subarray(64, 64 + numFloats)).toEqual(new Float32Array(numFloats));
  });

  it('is bit-equal from run to run', async () => {
    expect(await run(259, true)).toEqual(await run(259, true));
  });
});

it('packs the scalars with what must be subtracted in float64', () => {
  const packed = packStepScalars({ ...SETTINGS, lossScale: 0.5, clipNorm: 2, step: 3 });
  expectClose('scalars', packed.subarray(0, 11), [0.5, 2, 3e-3, 0.9, 0.999, 1e-8, 0.1, 1 - 0.9 ** 3, 1 - 0.999 ** 3, 0.1, 0.001], 1e-7);
  expectClose('1 - beta2', [packed[10]], [0.001], 1e-7);
});
