// The distillation loss = its CPU twin: odd and even vocabularies, temperatures, both ends of the mix, ignored rows, extreme logits, and NaN that shows.
import { describe, expect, it } from 'vitest';
import { subview } from '../gpu/buffers.ts';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { crossEntropyBackward, crossEntropyForward } from '../reference/crossEntropy.ts';
import * as twin from '../reference/distillation.ts';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { IGNORED_TARGET } from './crossEntropy.ts';
import { distillationForwardBackward, packDistillationMix } from './distillation.ts';
import { NUM_STEP_SCALARS, STEP_SCALARS } from './stepScalars.ts';

const SCALE = 0.037;

interface Case {
  readonly logits: Float32Array;
  readonly teacherLogits: Float32Array;
  readonly targets: Uint32Array;
  readonly V: number;
  readonly weight: number;
  readonly temperature: number;
  readonly invocationsPerRow?: number;
  /** The rows the kernel is given; by default all. */
  readonly chunk?: { readonly first: number; readonly rows: number };
}

async function run({ logits, teacherLogits, targets, V, weight, temperature, invocationsPerRow, chunk }: Case) {
  const gpu = await testGpu();
  const scalars = new Float32Array(NUM_STEP_SCALARS);
  scalars[STEP_SCALARS.lossScale] = SCALE;
  const { first, rows } = chunk ?? { first: 0, rows: targets.length };
  return withoutGpuErrors(gpu, async () => {
    const all = {
      logits: gpu.buffers.upload('test.logits', logits),
      teacherLogits: gpu.buffers.upload('test.teacherLogits', teacherLogits),
      targets: gpu.buffers.upload('test.targets', targets),
      losses: gpu.buffers.createFloats('test.losses', targets.length),
    };
    const views = {
      logits: subview(all.logits, first * V, rows * V),
      teacherLogits: subview(all.teacherLogits, first * V, rows * V),
      targets: subview(all.targets, first, rows),
      losses: subview(all.losses, first, rows),
      scalars: gpu.buffers.upload('test.scalars', scalars),
      mix: gpu.buffers.upload('test.mix', packDistillationMix({ weight, temperature })),
    };
    submitOps(gpu, 'test', [await distillationForwardBackward(gpu, views, { rows, V, invocationsPerRow })]);
    const result = { losses: await readFloats(gpu, all.losses), dLogits: await readFloats(gpu, all.logits), teacherLogits: await readFloats(gpu, all.teacherLogits) };
    gpu.buffers.destroyAll();
    return result;
  });
}

function randomCase(rows: number, V: number, amplitude: number, seed: number): Case {
  const draw = (length: number, offset: number): Float32Array => randomFloats(length, seed + offset);
  const targets = Uint32Array.from(draw(rows, 2), (value) => Math.min(V - 1, Math.floor(((value + 1) / 2) * V)));
  return { logits: draw(rows * V, 0).map((value) => value * amplitude), teacherLogits: draw(rows * V, 1).map((value) => value * amplitude), targets, V, weight: 0.4, temperature: 1 };
}

function expectEqualsTwin(testCase: Case, result: Awaited<ReturnType<typeof run>>): void {
  const shape = { rows: testCase.targets.length, V: testCase.V };
  expectClose('losses', result.losses, twin.distillationForward(testCase, testCase, shape), 1e-5);
  expectClose('dLogits', result.dLogits, twin.distillationBackward(testCase, testCase, SCALE, shape), 1e-5);
  expect(result.teacherLogits).toEqual(testCase.teacherLogits);
}

describe('distillation', () => {
  for (const [rows, V] of [[7, 53], [5, 64], [1, 260], [3, 1], [2, 4], [9, 1030]] as const) {
    for (const invocationsPerRow of [1, 4, 128]) {
      for (const [weight, temperature] of [[0.4, 1], [0.7, 2.5]] as const) {
        it(`equals its twin on ${rows} rows of ${V} with ${invocationsPerRow} invocations a row, weight ${weight}, temperature ${temperature}`, async () => {
          const testCase = { ...randomCase(rows, V, 6, rows * V), weight, temperature, invocationsPerRow };
          expectEqualsTwin(testCase, await run(testCase));
        });
      }
    }
  }

  for (const temperature of [0.1, 0.5, 20]) {
    it(`equals its twin at temperature ${temperature}`, async () => {
      const testCase = { ...randomCase(6, 332, 4, 41), weight: 0.9, temperature };
      expectEqualsTwin(testCase, await run(testCase));
    });
  }

  it('is the cross-entropy at weight 0, whatever the temperature', async () => {
    const testCase = { ...randomCase(6, 75, 5, 51), weight: 0, temperature: 3 };
    const { losses, dLogits } = await run(testCase);
    const shape = { rows: 6, V: 75 };
    expectClose('losses', losses, crossEntropyForward(testCase.logits, testCase.targets, shape), 1e-5);
    expectClose('dLogits', dLogits, crossEntropyBackward(testCase.logits, testCase.targets, SCALE, shape), 1e-5);
  });

  it('knows no target at weight 1, and is 0 for a student that is the teacher', async () => {
    const testCase = { ...randomCase(6, 75, 5, 61), weight: 1, temperature: 2 };
    const result = await run(testCase);
    expectEqualsTwin(testCase, result);
    const elsewhere = await run({ ...testCase, targets: testCase.targets.map((token) => (token + 1) % 75) });
    expect(elsewhere.losses).toEqual(result.losses);
    expect(elsewhere.dLogits).toEqual(result.dLogits);
    const itself = await run({ ...testCase, teacherLogits: testCase.logits });
    for (const value of [...itself.losses, ...itself.dLogits]) expect(Math.abs(value)).toBeLessThan(1e-6);
  });

  it('is safe at logits of 1e4 and -1e4', async () => {
    for (const temperature of [0.5, 1, 3]) {
      const testCase = { ...randomCase(6, 128, 1e4, 3), temperature };
      const result = await run(testCase);
      expectEqualsTwin(testCase, result);
      expect(Math.min(...result.losses)).toBeGreaterThan(1000);
    }
  });

  it('gives loss 0 and gradient 0 to ignored rows, even where they hold NaN', async () => {
    const testCase = { ...randomCase(4, 36, 3, 11), temperature: 1.5 };
    testCase.targets[1] = testCase.targets[3] = IGNORED_TARGET;
    testCase.logits.fill(NaN, 36, 40);
    testCase.teacherLogits.fill(NaN, 40, 44);
    const result = await run(testCase);
    expectEqualsTwin(testCase, result);
    expect([...result.dLogits.subarray(36, 72)]).toEqual(new Array(36).fill(0));
    expect([result.losses[1], result.losses[3]]).toEqual([0, 0]);
  });

  for (const whose of ['logits', 'teacherLogits'] as const) {
    for (const weight of [0, 0.4, 1]) {
      it(`shows a NaN in ${whose} as a NaN loss and gradient of its row alone, at weight ${weight}`, async () => {
        for (const V of [40, 37]) {
          const testCase = { ...randomCase(3, V, 3, 17), weight };
          testCase[whose][V + 5] = NaN;
          const { losses, dLogits } = await run(testCase);
          expect(losses[1]).toBeNaN();
          expect(dLogits[V + 5]).toBeNaN();
          const expected = twin.distillationBackward(testCase, testCase, SCALE, { rows: 3, V });
          for (const row of [0, 2]) expectClose(`row ${row}`, dLogits.subarray(row * V, row * V + V), expected.subarray(row * V, row * V + V), 1e-5);
        }
      });
    }
  }

  it('works on chunks of rows inside bigger buffers and leaves the rest alone', async () => {
    const V = 12;
    const testCase = { ...randomCase(192, V, 3, 23), temperature: 2, chunk: { first: 64, rows: 64 } };
    const { losses, dLogits } = await run(testCase);
    const part = {
      logits: testCase.logits.subarray(64 * V, 128 * V),
      teacherLogits: testCase.teacherLogits.subarray(64 * V, 128 * V),
      targets: testCase.targets.subarray(64, 128),
    };
    const expectedLosses = new Float64Array(192);
    expectedLosses.set(twin.distillationForward(part, testCase, { rows: 64, V }), 64);
    expectClose('losses', losses, expectedLosses, 1e-5);
    const expected = Float64Array.from(testCase.logits);
    expected.set(twin.distillationBackward(part, testCase, SCALE, { rows: 64, V }), 64 * V);
    expectClose('logits', dLogits, expected, 1e-6);
  });

  it('is bit-equal from run to run', async () => {
    const testCase = { ...randomCase(8, 500, 5, 31), temperature: 1.7 };
    expect(await run(testCase)).toEqual(await run(testCase));
  });

  it('refuses a mix that is none', () => {
    for (const weight of [-0.1, 1.1, NaN]) expect(() => packDistillationMix({ weight, temperature: 1 })).toThrow(/weight must be between 0 and 1/);
    for (const temperature of [0, -1, NaN, Infinity]) expect(() => packDistillationMix({ weight: 0.5, temperature })).toThrow(/temperature must be above 0/);
  });
});
