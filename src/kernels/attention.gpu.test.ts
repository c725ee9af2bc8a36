// Causal attention against its CPU twin: lengths around the block of four and the workgroup of sixty-four, huge scores, causality.
import { expect, it } from 'vitest';
import type { BufferView } from '../gpu/buffers.ts';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import * as twin from '../reference/attention.ts';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { attentionBackward, attentionForward, attentionScratchFloats, supportedAttentionVariants, type AttentionShape, type AttentionVariant } from './attention.ts';

const SHAPES: AttentionShape[] = [
  { B: 1, T: 1, NH: 1, HS: 4 },
  { B: 2, T: 3, NH: 2, HS: 12 },
  { B: 1, T: 70, NH: 3, HS: 20 },
  { B: 2, T: 33, NH: 2, HS: 32 },
  { B: 1, T: 9, NH: 1, HS: 128 },
  { B: 2, T: 4, NH: 3, HS: 16 },
  { B: 2, T: 44, NH: 2, HS: 16 },
  { B: 1, T: 132, NH: 3, HS: 32 },
  { B: 1, T: 32, NH: 1, HS: 48 },
];

/** Every shape with every variant that can compute it. */
async function cases(shapes: readonly AttentionShape[]): Promise<{ shape: AttentionShape; variant: AttentionVariant }[]> {
  const gpu = await testGpu();
  return shapes.flatMap((shape) => supportedAttentionVariants(gpu, shape).map((variant) => ({ shape, variant })));
}

/** Forward and backward; the backward reads the forward's own out and lse. */
async function run(qkvValues: Float32Array, dOutValues: Float32Array, shape: AttentionShape, variant: AttentionVariant) {
  const gpu = await testGpu();
  const { B, T, NH, HS } = shape;
  return withoutGpuErrors(gpu, async () => {
    const floats = (count: number): BufferView => gpu.buffers.createFloats('test.attention', count);
    // What a step before may have left there must not show.
    const scratch = (): BufferView => gpu.buffers.upload('test.scratch', new Float32Array(attentionScratchFloats(gpu, shape, variant)).fill(NaN));
    const buffers = {
      qkv: gpu.buffers.upload('test.qkv', qkvValues),
      dOut: gpu.buffers.upload('test.dOut', dOutValues),
      out: floats(B * T * NH * HS),
      lse: floats(B * NH * T),
      delta: floats(B * NH * T),
      // Assigned fully: what lay there must not show.
      dQkv: gpu.buffers.upload('test.dQkv', new Float32Array(qkvValues.length).fill(7)),
      scratch: scratch(),
      gradientScratch: scratch(),
    };
    submitOps(gpu, 'test', [...(await attentionForward(gpu, buffers, shape, variant)), ...(await attentionBackward(gpu, buffers, shape, variant))]);
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

for (const { shape, variant } of await cases(SHAPES)) {
  it(`equals its twin on ${JSON.stringify(shape)}, ${variant}, twice the same bits`, async () => {
    const [qkv, dOut] = inputs(shape, 2);
    const actual = await run(qkv, dOut, shape, variant);
    expectTwin(actual, qkv, dOut, shape, 1e-5);
    expect(await run(qkv, dOut, shape, variant)).toEqual(actual);
  });
}

for (const { shape, variant } of await cases([{ B: 1, T: 24, NH: 2, HS: 16 }])) {
  it(`survives scores whose exponentials overflow, ${variant}`, async () => {
    const [qkv, dOut] = inputs(shape, 30);
    // float32 scores near 1000 carry an absolute error near 1e-4, and so does every probability.
    expectTwin(await run(qkv, dOut, shape, variant), qkv, dOut, shape, 1e-3);
  });
}

for (const { shape, variant } of await cases([{ B: 2, T: 20, NH: 1, HS: 16 }])) {
  it(`lets no later row reach an earlier block, NaN included, ${variant}`, async () => {
    const { T, NH, HS } = shape;
    const [qkv, dOut] = inputs(shape, 1);
    const rowFloats = 3 * NH * HS;
    const clean = await run(qkv, dOut, shape, variant);
    // A block of rows, and a tile's rows, begin here.
    const badRow = 16;
    qkv.fill(NaN, badRow * rowFloats, (badRow + 1) * rowFloats);
    const { out, lse } = await run(qkv, dOut, shape, variant);
    expect(out.slice(0, badRow * NH * HS)).toEqual(clean.out.slice(0, badRow * NH * HS));
    expect(lse.slice(0, badRow)).toEqual(clean.lse.slice(0, badRow));
    expect([...out.slice(badRow * NH * HS, T * NH * HS)].some(Number.isFinite)).toBe(false);
    expect(out.slice(T * NH * HS)).toEqual(clean.out.slice(T * NH * HS));
  });
}

it('keeps within the scratch that it asks for, and wants none past its bound', async () => {
  const gpu = await testGpu();
  expect(supportedAttentionVariants(gpu, { B: 1, T: 4096, NH: 2, HS: 64 })).toEqual(['streaming']);
  expect(supportedAttentionVariants(gpu, { B: 1, T: 30, NH: 2, HS: 64 })).toEqual(['streaming']);
  expect(attentionScratchFloats(gpu, { B: 2, T: 32, NH: 3, HS: 16 }, 'tiles')).toBe(2 * 3 * 32 * 32);
});

it('refuses head sizes it cannot hold', async () => {
  const gpu = await testGpu();
  const view = gpu.buffers.createFloats('test.any', 24);
  const buffers = { qkv: view, out: view, lse: view };
  for (const HS of [6, 132]) await expect(attentionForward(gpu, buffers, { B: 1, T: 1, NH: 1, HS })).rejects.toThrow(`up to 128, not ${HS}`);
});
