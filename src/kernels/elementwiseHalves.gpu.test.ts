// Kernels that read or write halves against their CPU twins: inputs rounded to halves first, so that what is left is the rounding of what they store.
import { beforeAll, describe, expect, it } from 'vitest';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps, type Op } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import * as rmsnormTwin from '../reference/rmsnorm.ts';
import * as ropeTwin from '../reference/rope.ts';
import * as swigluTwin from '../reference/swiglu.ts';
import { expectClose } from '../testing/allclose.ts';
import { expectCloseHalves, roundedToHalves } from '../testing/halves.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { halfCopy } from './halfCopy.ts';
import { rmsnormBackward, rmsnormForward, rmsnormPartialsFloats } from './rmsnorm.ts';
import { ropeBackward, ropeForward, ropeTable } from './rope.ts';
import { swigluBackward, swigluForward } from './swiglu.ts';

const TOLERANCE = 1e-5;
const EPS = 1e-5;

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

const halvesOf = (length: number, seed: number, scale = 1): Float32Array => roundedToHalves(randomFloats(length, seed).map((value) => value * scale));
const uploaded = (values: Float32Array): BufferView => gpu.buffers.uploadHalves('test.halves', values);
const empty = (count: number): BufferView => gpu.buffers.createHalves('test.empty', count);

/** The numbers of these views after the ops; frees everything. */
async function after(ops: readonly Op[], views: readonly BufferView[]): Promise<Float32Array[]> {
  const results: Float32Array[] = [];
  await withoutGpuErrors(gpu, async () => {
    submitOps(gpu, 'test', ops);
    for (const view of views) results.push(await readFloats(gpu, view));
  });
  gpu.buffers.destroyAll();
  return results;
}

describe('halves in memory', () => {
  it('come back as they were written, and are refused but in fours', async () => {
    const values = halvesOf(70_004, 1, 60_000);
    expect((await after([], [uploaded(values)]))[0]).toEqual(values);
    expect(() => gpu.buffers.createHalves('test.odd', 6)).toThrow(/in fours, not 6/);
  });

  it('are the nearest numbers, infinity past 65,504 and NaN for NaN', async () => {
    const edges = [0, 1, -1, 65_504, -65_504, 0.1, -1 / 3, 2 ** -14, 65_505, -65_505, 65_520, 1e10, -1e10, Infinity, -Infinity, NaN];
    const values = Float32Array.from([...edges, ...randomFloats(1020, 2).map((value, i) => value * 10 ** (i % 9 - 4))]);
    const halves = empty(values.length);
    const [stored] = await after([await halfCopy(gpu, { numbers: gpu.buffers.upload('test.numbers', values), halves })], [halves]);
    expect([...stored.slice(8, edges.length)]).toEqual([Infinity, -Infinity, Infinity, Infinity, -Infinity, Infinity, -Infinity, NaN]);
    expectCloseHalves('finite', [...stored.slice(0, 8), ...stored.slice(edges.length)], [...values.slice(0, 8), ...values.slice(edges.length)], 0);
  });
});

it.each([[1, 4], [3, 12], [37, 20], [70, 132]])('norms to halves and back from them: [%i, %i]', async (rows, hiddenSize) => {
  const shape = { rows, hiddenSize };
  const [x, addend, weight] = [randomFloats(rows * hiddenSize, 1), randomFloats(rows * hiddenSize, 2), randomFloats(hiddenSize, 3)];
  const floats = (values: Float32Array): BufferView => gpu.buffers.upload('test.floats', values);
  const y = empty(rows * hiddenSize);
  const rstd = gpu.buffers.createFloats('test.rstd', rows);
  const twin = rmsnormTwin.rmsnormForward(x, weight, { rows, C: hiddenSize, eps: EPS });
  const [plain, plainRstd] = await after([await rmsnormForward(gpu, { x: floats(x), weight: floats(weight), y, rstd }, { ...shape, eps: EPS })], [y, rstd]);
  expectCloseHalves('y', plain, twin.y, TOLERANCE);
  expectClose('rstd', plainRstd, twin.rstd, TOLERANCE);

  const sum = x.map((value, i) => value + addend[i]);
  const added = { x: floats(x), addend: floats(addend), sum: gpu.buffers.createFloats('test.sum', rows * hiddenSize), weight: floats(weight), y: empty(rows * hiddenSize), rstd: gpu.buffers.createFloats('test.rstd', rows) };
  const [ofSum, actualSum] = await after([await rmsnormForward(gpu, added, { ...shape, eps: EPS })], [added.y, added.sum]);
  expectCloseHalves('y of the sum', ofSum, rmsnormTwin.rmsnormForward(sum, weight, { rows, C: hiddenSize, eps: EPS }).y, TOLERANCE);
  expect(actualSum).toEqual(sum);

  const dy = halvesOf(rows * hiddenSize, 4);
  const backward = {
    dy: uploaded(dy), x: floats(x), weight: floats(weight), rstd: floats(Float32Array.from(twin.rstd)), dx: floats(addend), dWeight: gpu.buffers.createFloats('test.dWeight', hiddenSize),
    partials: gpu.buffers.createFloats('test.partials', rmsnormPartialsFloats(shape)),
  };
  const expected = rmsnormTwin.rmsnormBackward(dy, x, weight, twin.rstd, { rows, C: hiddenSize });
  const [dx, dWeight] = await after(await rmsnormBackward(gpu, backward, { ...shape, accumulateDx: true }), [backward.dx, backward.dWeight]);
  expectClose('dx', dx, expected.dx.map((value, i) => value + addend[i]), TOLERANCE);
  expectClose('dWeight', dWeight, expected.dWeight, TOLERANCE);
});

it.each([{ B: 1, T: 1, NH: 1, HS: 4 }, { B: 2, T: 5, NH: 3, HS: 12 }, { B: 3, T: 37, NH: 2, HS: 32 }])('turns halves forth and back: %o', async (shape) => {
  const values = halvesOf(shape.B * shape.T * 3 * shape.NH * shape.HS, 1);
  const turned = async (direction: 1 | -1): Promise<Float32Array> => {
    const buffers = { qkv: uploaded(values), cosSin: gpu.buffers.upload('test.cosSin', ropeTable(shape.T, shape.HS, 1e4)) };
    const op = direction === 1 ? ropeForward(gpu, buffers, { ...shape, direction }) : ropeBackward(gpu, buffers, shape);
    return (await after([await op], [buffers.qkv]))[0];
  };
  expectCloseHalves('forward', await turned(1), ropeTwin.ropeForward(values, { ...shape, theta: 1e4 }), TOLERANCE);
  expectCloseHalves('backward', await turned(-1), ropeTwin.ropeBackward(values, { ...shape, theta: 1e4 }), TOLERANCE);
});

it.each([[1, 4], [3, 20], [41, 12], [130, 36]])('gates halves forward and backward: [%i, %i]', async (rows, F) => {
  const gateUp = halvesOf(rows * 2 * F, 1, 6);
  const dAct = halvesOf(rows * F, 2);
  const buffers = { gateUp: uploaded(gateUp), act: empty(rows * F), dAct: uploaded(dAct), dGateUp: empty(rows * 2 * F) };
  const [act, dGateUp] = await after([await swigluForward(gpu, buffers, { rows, F }), await swigluBackward(gpu, buffers, { rows, F })], [buffers.act, buffers.dGateUp]);
  expectCloseHalves('act', act, swigluTwin.swigluForward(gateUp, { rows, F }), TOLERANCE);
  expectCloseHalves('dGateUp', dGateUp, swigluTwin.swigluBackward(dAct, gateUp, { rows, F }), TOLERANCE);
});

it('carries an overflow of the gate on as infinity', async () => {
  const buffers = { gateUp: uploaded(Float32Array.of(300, 300, 1, 1, 300, 1, -60_000, 2)), act: empty(4) };
  const [act] = await after([await swigluForward(gpu, buffers, { rows: 1, F: 4 })], [buffers.act]);
  expect([act[0], act[1]]).toEqual([Infinity, 300]);
  expect([...act].slice(2).every(Number.isFinite)).toBe(true);
});
