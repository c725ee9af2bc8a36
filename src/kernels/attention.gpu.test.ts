// Causal attention against its CPU twin: lengths around the block of four and the workgroup of sixty-four, huge scores, causality.
import { expect, it } from 'vitest';
import type { BufferView } from '../gpu/buffers.ts';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import * as twin from '../reference/attention.ts';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { attentionBackward, attentionForward, type AttentionShape } from './attention.ts';

const SHAPES: AttentionShape[] = [
  { B: 1, T: 1, NH: 1, HS: 4 },
  { B: 2, T: 3, NH: 2, HS: 12 },
  { B: 1, T: 70, NH: 3, HS: 20 },
  { B: 2, T: 33, NH: 2, HS: 32 },
  { B: 1, T: 9, NH: 1, HS: 128 },
];

/** Forward and backward; the backward reads the forward's own out and lse. */
async function run(qkvValues: Float32Array, dOutValues: Float32Array, shape: AttentionShape) {
  const gpu = await testGpu();
  const { B, T, NH, HS } = shape;
  return withoutGpuErrors(gpu, async () => {
    const floats = (count: number): BufferView => gpu.buffers.createFloats('test.attention', count);
    const buffers = {
      qkv: gpu.buffers.upload('test.qkv', qkvValues),
      dOut: gpu.buffers.upload('test.dOut', dOutValues),
      out: floats(B * T * NH * HS),
      lse: floats(B * NH * T),
      delta: floats(B * NH * T),
      // Assigned fully: what lay there must not show.
      dQkv: gpu.buffers.upload('test.dQkv', new Float32Array(qkvValues.length).fill(7)),
    };
    submitOps(gpu, 'test', [await attentionForward(gpu, buffers, shape), ...(await attentionBackward(gpu, buffers, shape))]);
    return { out: await readFloats(gpu, buffers.out), lse: await readFloats(gpu, buffers.lse), dQkv: await readFloats(gpu, buffers.dQkv) };
  });
}

function inputs({ B, T, NH, HS }: AttentionShape, scale: number): [Float32Array, Float32Array] {
  return [randomFloats(B * T * 3 * NH * HS, 1).map((value) => value * scale), randomFloats(B * T * NH * HS, 2)];
}

function expectTwin(actual: Awaited<ReturnType<typeof run>>, qkv: Float32Array, dOut: Float32Array, shape: AttentionShape, tolerance: number): void {
  const expected = twin.attentionForward(qkv, shape);
  expectClose('out', actual.out, expected.out, tolerance);
  expectClose('lse', actual.lse, expected.lse, tolerance);
  expectClose('dQkv', actual.dQkv, twin.attentionBackward(dOut, qkv, shape), tolerance);
}

for (const shape of SHAPES) {
  it(`equals its twin on ${JSON.stringify(shape)}, twice the same bits`, async () => {
    const [qkv, dOut] = inputs(shape, 2);
    const actual = await run(qkv, dOut, shape);
    expectTwin(actual, qkv, dOut, shape, 1e-5);
    expect(await run(qkv, dOut, shape)).toEqual(actual);
  });
}

it('survives scores whose exponentials overflow', async () => {
  const shape = { B: 1, T: 21, NH: 2, HS: 8 };
  const [qkv, dOut] = inputs(shape, 30);
  // float32 scores near 1000 carry an absolute error near 1e-4, and so does every probability.
  expectTwin(await run(qkv, dOut, shape), qkv, dOut, shape, 1e-3);
});

it('lets no later row reach an earlier block, NaN included', async () => {
  const shape = { B: 2, T: 12, NH: 1, HS: 4 };
  const { T, NH, HS } = shape;
  const [qkv, dOut] = inputs(shape, 1);
  const rowFloats = 3 * NH * HS;
  const clean = await run(qkv, dOut, shape);
  const badRow = 8;
  qkv.fill(NaN, badRow * rowFloats, (badRow + 1) * rowFloats);
  const { out, lse } = await run(qkv, dOut, shape);
  expect(out.slice(0, badRow * NH * HS)).toEqual(clean.out.slice(0, badRow * NH * HS));
  expect(lse.slice(0, badRow)).toEqual(clean.lse.slice(0, badRow));
  expect([...out.slice(badRow * NH * HS, T * NH * HS)].some(Number.isFinite)).toBe(false);
  expect(out.slice(T * NH * HS)).toEqual(clean.out.slice(T * NH * HS));
});

it('refuses head sizes it cannot hold', async () => {
  const gpu = await testGpu();
  const view = gpu.buffers.createFloats('test.any', 24);
  const buffers = { qkv: view, out: view, lse: view };
  for (const HS of [6, 132]) await expect(attentionForward(gpu, buffers, { B: 1, T: 1, NH: 1, HS })).rejects.toThrow(`up to 128, not ${HS}`);
});
