// Causal attention over halves against its CPU twin, which gets the same rounded inputs.
import { expect, it } from 'vitest';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import * as twin from '../reference/attention.ts';
import { expectClose } from '../testing/allclose.ts';
import { expectCloseHalves, roundedToHalves } from '../testing/halves.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { attentionBackward, attentionForward, chosenAttentionVariant, supportedAttentionVariants, type AttentionShape } from './attention.ts';

const SHAPES: AttentionShape[] = [
  { B: 1, T: 1, NH: 1, HS: 4 },
  { B: 2, T: 3, NH: 2, HS: 12 },
  { B: 1, T: 70, NH: 3, HS: 20 },
  { B: 2, T: 32, NH: 2, HS: 16 },
  { B: 1, T: 9, NH: 1, HS: 128 },
];

async function run(qkvValues: Float32Array, dOutValues: Float32Array, shape: AttentionShape) {
  const gpu = await testGpu();
  const { B, T, NH, HS } = shape;
  return withoutGpuErrors(gpu, async () => {
    const buffers = {
      qkv: gpu.buffers.uploadHalves('test.qkv', qkvValues), dOut: gpu.buffers.uploadHalves('test.dOut', dOutValues),
      out: gpu.buffers.createHalves('test.out', B * T * NH * HS), lse: gpu.buffers.createFloats('test.lse', B * NH * T), delta: gpu.buffers.createFloats('test.delta', B * NH * T),
      dQkv: gpu.buffers.uploadHalves('test.dQkv', new Float32Array(qkvValues.length).fill(7)),
    };
    submitOps(gpu, 'test', [...(await attentionForward(gpu, buffers, shape)), ...(await attentionBackward(gpu, buffers, shape))]);
    const result = { out: await readFloats(gpu, buffers.out), lse: await readFloats(gpu, buffers.lse), dQkv: await readFloats(gpu, buffers.dQkv) };
    gpu.buffers.destroyAll();
    return result;
  });
}

it.each(SHAPES)('equals its twin on %o, twice the same bits', async (shape) => {
  const { B, T, NH, HS } = shape;
  const qkv = roundedToHalves(randomFloats(B * T * 3 * NH * HS, 1).map((value) => value * 2));
  const dOut = roundedToHalves(randomFloats(B * T * NH * HS, 2));
  const actual = await run(qkv, dOut, shape);
  const expected = twin.attentionForward(qkv, shape);
  expectCloseHalves('out', actual.out, expected.out, 1e-5);
  expectClose('lse', actual.lse, expected.lse, 1e-5);
  // The backward reads the forward's own out, rounded by up to 2^-11: delta = dOut . out sums HS such errors of either sign, which reach the gradients times SCALE = 1 / sqrt(HS) and a key below 2.
  // So about 2^-10 at one sigma for the absolute error, of gradients whose largest is above 1.
  expectCloseHalves('dQkv', actual.dQkv, twin.attentionBackward(dOut, qkv, shape), 2e-3);
  expect(await run(qkv, dOut, shape)).toEqual(actual);
});

it('has one way for halves, which no scratch is made for', async () => {
  const gpu = await testGpu();
  const shape = { B: 1, T: 32, NH: 2, HS: 16 };
  expect(supportedAttentionVariants(gpu, shape, 'f16')).toEqual(['streaming']);
  expect(chosenAttentionVariant(gpu, shape, 'f16')).toBe('streaming');
  const view = gpu.buffers.createHalves('test.any', 3 * 32 * 32);
  const scratch = gpu.buffers.createFloats('test.scratch', 2 * 32 * 32);
  await expect(attentionForward(gpu, { qkv: view, out: view, lse: scratch, scratch }, shape, 'tiles')).rejects.toThrow(/takes no halves/);
  gpu.buffers.destroyAll();
});
