// Tokens chosen on the device against the CPU twin: draws all over [0, 1), with and without ties, sizes that fill no stretch. A draw so near the border of two tokens that rounding decides may give either.
import { expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { chosenToken } from '../reference/sampling.ts';
import { testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { advancePosition, chooseToken, packSamplingOptions, PADDING_LOGIT, paddedLogits, type SamplingOptions } from './sampling.ts';

/** Of a draw: float32 sums of V weights. */
const NEAR = 1e-5;

/** The ids chosen for each draw, one after the other, and where the device stands then. */
async function chooseAll(gpu: Gpu, values: ArrayLike<number>, rule: SamplingOptions, draws: readonly number[], lanes?: number): Promise<{ ids: number[]; state: number[] }> {
  const V = values.length;
  const padded = new Float32Array(paddedLogits(V)).fill(PADDING_LOGIT);
  padded.set(values);
  const buffers = {
    logits: gpu.buffers.upload('test.logits', padded),
    options: gpu.buffers.upload('test.options', packSamplingOptions(rule)),
    draws: gpu.buffers.upload('test.draws', Float32Array.from(draws)),
    weights: gpu.buffers.createFloats('test.weights', padded.length),
    tokens: gpu.buffers.createFloats('test.tokens', draws.length + 1),
    state: gpu.buffers.createFloats('test.state', 2),
  };
  const op = await chooseToken(gpu, buffers, { V, lanes });
  submitOps(gpu, 'test', draws.map(() => op));
  const words = async (view: typeof buffers.tokens): Promise<number[]> => [...new Uint32Array((await readFloats(gpu, view)).buffer)];
  return { ids: (await words(buffers.tokens)).slice(1), state: await words(buffers.state) };
}

const RULES: SamplingOptions[] = [
  { temperature: 0, topP: 1 },
  { temperature: 1, topP: 1 },
  { temperature: 0.7, topP: 0.9 },
  { temperature: 1.5, topP: 0.3 },
  { temperature: 1, topP: 1, topK: 5 },
  { temperature: 2, topP: 0.8, topK: 40 },
];

for (const { V, lanes } of [{ V: 1, lanes: 4 }, { V: 5, lanes: 4 }, { V: 258, lanes: 64 }, { V: 4096, lanes: 4 }]) {
  it(`chooses as its twin among ${V} tokens, ${lanes} invocations`, async () => {
    const gpu = await testGpu();
    await withoutGpuErrors(gpu, async () => {
      const random = createRandom(V);
      // Every third is rounded, so that there are ties.
      const values = Float32Array.from({ length: V }, (_, id) => (id % 3 === 0 ? Math.round(3 * random.normal()) : 3 * random.normal()));
      const draws = Array.from({ length: 16 }, (_, i) => (i === 0 ? 0 : i === 1 ? 1 - 2 ** -24 : random.next()));
      for (const rule of RULES) {
        const { ids, state } = await chooseAll(gpu, values, rule, draws, lanes);
        for (const [i, draw] of draws.entries()) {
          const allowed = [draw, Math.max(0, draw - NEAR), Math.min(1 - 2 ** -30, draw + NEAR)].map((near) => chosenToken(values, rule, near));
          expect(allowed, `${JSON.stringify(rule)} draw ${draw}`).toContain(ids[i]);
        }
        expect(state).toEqual([draws.length, 0]);
      }
    });
  });
}

it('takes no more tokens of equal probability than it needs', async () => {
  const gpu = await testGpu();
  const draws = Array.from({ length: 50 }, (_, i) => i / 50);
  const seen = async (rule: SamplingOptions): Promise<number[]> => [...new Set((await chooseAll(gpu, new Float32Array(10), rule, draws)).ids)].sort((a, b) => a - b);
  expect(await seen({ temperature: 1, topP: 0.35 })).toEqual([0, 1, 2, 3]);
  expect(await seen({ temperature: 1, topP: 1, topK: 3 })).toEqual([0, 1, 2]);
  expect(await seen({ temperature: 1, topP: 1, topK: 100 })).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

it('tells of logits that are not finite, and where the first were', async () => {
  const gpu = await testGpu();
  for (const broken of [NaN, Infinity, -Infinity]) {
    for (const temperature of [0, 1]) {
      const { ids, state } = await chooseAll(gpu, [1, 2, 3, 4, 5, broken, 0], { temperature, topP: 0.9 }, [0.1, 0.2]);
      expect(ids).toEqual([0, 0]);
      expect(state).toEqual([2, 1]);
    }
  }
});

it('advances without choosing', async () => {
  const gpu = await testGpu();
  const state = gpu.buffers.upload('test.state', Uint32Array.of(6, 0));
  submitOps(gpu, 'test', [await advancePosition(gpu, { state })]);
  expect([...new Uint32Array((await readFloats(gpu, state)).buffer)]).toEqual([7, 0]);
});
