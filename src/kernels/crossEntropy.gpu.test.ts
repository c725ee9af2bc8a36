// Cross-entropy = its CPU twin: odd and even vocabularies, sub-ranges, ignored rows, extreme logits, and a NaN row that stays in its row.
import { describe, expect, it } from 'vitest';
import { subview, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { crossEntropyBackward, crossEntropyForward as referenceForward } from '../reference/crossEntropy.ts';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { crossEntropyForward, crossEntropyForwardBackward, IGNORED_TARGET } from './crossEntropy.ts';
import { NUM_STEP_SCALARS, STEP_SCALARS } from './stepScalars.ts';

const SCALE = 0.037;

interface Case {
  readonly logits: Float32Array;
  readonly targets: Uint32Array;
  readonly V: number;
  readonly invocationsPerRow?: number;
}

function scalarsWith(gpu: Gpu, lossScale: number): BufferView {
  const values = new Float32Array(NUM_STEP_SCALARS);
  values[STEP_SCALARS.lossScale] = lossScale;
  return gpu.buffers.upload('test.scalars', values);
}

async function run({ logits, targets, V, invocationsPerRow }: Case): Promise<{ forwardLosses: Float32Array; losses: Float32Array; dLogits: Float32Array }> {
  const gpu = await testGpu();
  const rows = targets.length;
  return withoutGpuErrors(gpu, async () => {
    const views = {
      logits: gpu.buffers.upload('test.logits', logits),
      targets: gpu.buffers.upload('test.targets', targets),
      losses: gpu.buffers.createFloats('test.losses', rows),
    };
    const forwardLosses = gpu.buffers.createFloats('test.forwardLosses', rows);
    submitOps(gpu, 'test', [
      await crossEntropyForward(gpu, { ...views, losses: forwardLosses }, { rows, V, invocationsPerRow }),
      await crossEntropyForwardBackward(gpu, { ...views, scalars: scalarsWith(gpu, SCALE) }, { rows, V, invocationsPerRow }),
    ]);
    const result = {
      forwardLosses: await readFloats(gpu, forwardLosses),
      losses: await readFloats(gpu, views.losses),
      dLogits: await readFloats(gpu, views.logits),
    };
    gpu.buffers.destroyAll();
    return result;
  });
}

function randomCase(rows: number, V: number, amplitude: number, seed: number): Case {
  const targets = Uint32Array.from(randomFloats(rows, seed + 1), (value) => Math.min(V - 1, Math.floor(((value + 1) / 2) * V)));
  return { logits: randomFloats(rows * V, seed).map((value) => value * amplitude), targets, V };
}

function expectEqualsTwin(testCase: Case, result: Awaited<ReturnType<typeof run>>): void {
  const shape = { rows: testCase.targets.length, V: testCase.V };
  const losses = referenceForward(testCase.logits, testCase.targets, shape);
  expectClose('forward losses', result.forwardLosses, losses, 1e-5);
  expectClose('losses', result.losses, losses, 1e-5);
  expectClose('dLogits', result.dLogits, crossEntropyBackward(testCase.logits, testCase.targets, SCALE, shape), 1e-5);
}

describe('crossEntropy', () => {
  for (const [rows, V] of [[7, 53], [5, 64], [1, 260], [3, 1], [2, 4], [9, 1030]] as const) {
    for (const invocationsPerRow of [1, 4, 128]) {
      it(`equals its twin on ${rows} rows of ${V} with ${invocationsPerRow} invocations a row`, async () => {
        const testCase = { ...randomCase(rows, V, 6, rows * V), invocationsPerRow };
        expectEqualsTwin(testCase, await run(testCase));
      });
    }
  }

  it('is safe at logits of 1e4 and -1e4', async () => {
    const testCase = randomCase(6, 128, 1e4, 3);
    const result = await run(testCase);
    expectEqualsTwin(testCase, result);
    expect(Math.max(...result.losses)).toBeGreaterThan(1000);
  });

  it('gives loss 0 and gradient 0 to ignored rows, even where they hold NaN', async () => {
    const testCase = randomCase(4, 36, 3, 11);
    testCase.targets[1] = testCase.targets[3] = IGNORED_TARGET;
    testCase.logits.fill(NaN, 36, 40);
    const result = await run(testCase);
    testCase.logits.fill(0, 36, 40);
    expectEqualsTwin(testCase, result);
    expect([...result.dLogits.subarray(36, 72)]).toEqual(new Array(36).fill(0));
    expect([result.losses[1], result.losses[3], result.forwardLosses[1]]).toEqual([0, 0, 0]);
  });

  it('keeps a NaN in its row and shows it as a loss that is not finite', async () => {
    const testCase = randomCase(3, 40, 3, 17);
    testCase.logits[40 + 5] = NaN;
    const { losses, dLogits } = await run(testCase);
    expect(Number.isFinite(losses[1])).toBe(false); // SwiftShader's exp(NaN) is infinity
    const clean = { ...testCase, logits: testCase.logits.with(45, 0) };
    const shape = { rows: 3, V: 40 };
    const expected = crossEntropyBackward(clean.logits, clean.targets, SCALE, shape);
    for (const row of [0, 2]) expectClose(`row ${row}`, dLogits.subarray(row * 40, row * 40 + 40), expected.subarray(row * 40, row * 40 + 40), 1e-5);
  });

  it('works on chunks of rows inside bigger buffers and leaves the rest alone', async () => {
    const gpu = await testGpu();
    const { logits, targets, V } = randomCase(192, 12, 3, 23);
    await withoutGpuErrors(gpu, async () => {
      const all = { logits: gpu.buffers.upload('test.logits', logits), targets: gpu.buffers.upload('test.targets', targets), losses: gpu.buffers.createFloats('test.losses', 192) };
      const chunk = { logits: subview(all.logits, 64 * V, 64 * V), targets: subview(all.targets, 64, 64), losses: subview(all.losses, 64, 64) };
      submitOps(gpu, 'test', [await crossEntropyForwardBackward(gpu, { ...chunk, scalars: scalarsWith(gpu, SCALE) }, { rows: 64, V })]);
      const expected = Float64Array.from(logits);
      expected.set(crossEntropyBackward(logits.subarray(64 * V, 128 * V), targets.subarray(64, 128), SCALE, { rows: 64, V }), 64 * V);
      expectClose('logits', await readFloats(gpu, all.logits), expected, 1e-6);
      const losses = new Float64Array(192);
      losses.set(referenceForward(logits.subarray(64 * V, 128 * V), targets.subarray(64, 128), { rows: 64, V }), 64);
      expectClose('losses', await readFloats(gpu, all.losses), losses, 1e-5);
      gpu.buffers.destroyAll();
    });
  });

  it('is bit-equal from run to run', async () => {
    const testCase = randomCase(8, 500, 5, 31);
    expect(await run(testCase)).toEqual(await run(testCase));
  });
});
