// The gated activation against its CPU twin, extreme gates included.
import { expect, it } from 'vitest';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import * as twin from '../reference/swiglu.ts';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { swigluBackward, swigluForward } from './swiglu.ts';

async function run(gateUpValues: Float32Array, dActValues: Float32Array, rows: number, F: number) {
  const gpu = await testGpu();
  return withoutGpuErrors(gpu, async () => {
    const gateUp = gpu.buffers.upload('test.gateUp', gateUpValues);
    const dAct = gpu.buffers.upload('test.dAct', dActValues);
    const act = gpu.buffers.createFloats('test.act', rows * F);
    const dGateUp = gpu.buffers.createFloats('test.dGateUp', rows * 2 * F);
    submitOps(gpu, 'test', [await swigluForward(gpu, { gateUp, act }, { rows, F }), await swigluBackward(gpu, { gateUp, dAct, dGateUp }, { rows, F })]);
    return { act: await readFloats(gpu, act), dGateUp: await readFloats(gpu, dGateUp) };
  });
}

for (const [rows, F] of [[1, 4], [3, 20], [41, 12], [130, 36]] as const) {
  it(`equals its twin on [${rows}, ${F}], twice the same bits`, async () => {
    const gateUp = randomFloats(rows * 2 * F, 1).map((value) => value * 6);
    const dAct = randomFloats(rows * F, 2);
    const actual = await run(gateUp, dAct, rows, F);
    expectClose('act', actual.act, twin.swigluForward(gateUp, { rows, F }), 1e-5);
    expectClose('dGateUp', actual.dGateUp, twin.swigluBackward(dAct, gateUp, { rows, F }), 1e-5);
    expect(await run(gateUp, dAct, rows, F)).toEqual(actual);
  });
}

it('stays finite where exp overflows', async () => {
  const gates = [-1e30, -1000, -100, -89, 0, 89, 100, 1000];
  const F = gates.length;
  const gateUp = Float32Array.from([...gates, ...gates.map(() => 1)]);
  const dAct = new Float32Array(F).fill(1);
  const { act, dGateUp } = await run(gateUp, dAct, 1, F);
  expectClose('act', act, [0, 0, 0, 0, 0, 89, 100, 1000], 1e-6);
  expectClose('dGate', dGateUp.slice(0, F), [0, 0, 0, 0, 0.5, 1, 1, 1], 1e-6);
  expectClose('dUp', dGateUp.slice(F), [0, 0, 0, 0, 0, 89, 100, 1000], 1e-6);
});

it('refuses a width that is no multiple of four', async () => {
  const gpu = await testGpu();
  const view = gpu.buffers.createFloats('test.any', 24);
  await expect(swigluForward(gpu, { gateUp: view, act: view }, { rows: 2, F: 6 })).rejects.toThrow(/multiple of 4, not 6/);
});
