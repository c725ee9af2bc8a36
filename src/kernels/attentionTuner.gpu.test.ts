// The measurement that chooses a way of attention: it times what computes the right numbers and remembers the fastest.
import { expect, it } from 'vitest';
import { testGpu } from '../testing/testGpu.ts';
import { chosenAttentionVariant, isAttentionTuned } from './attention.ts';
import { tuneAttention } from './attentionTuner.ts';

it('chooses the fastest of the ways that agree, and leaves no memory behind', async () => {
  const gpu = await testGpu();
  const shape = { B: 1, T: 32, NH: 2, HS: 16 };
  const bytesBefore = gpu.buffers.bytes;
  const measured = await tuneAttention(gpu, shape);
  expect(gpu.buffers.bytes).toBe(bytesBefore);
  expect(measured.map(({ variant }) => variant)).toEqual(['streaming', 'tiles']);
  for (const { relativeError, milliseconds } of measured) {
    expect(relativeError).toBeLessThan(1e-5);
    expect(milliseconds).toBeGreaterThan(0);
  }
  const [best] = [...measured].sort((a, b) => a.milliseconds - b.milliseconds);
  expect(isAttentionTuned(gpu, shape)).toBe(true);
  expect(chosenAttentionVariant(gpu, shape)).toBe(best.variant);
});

it('measures nothing where there is only one way', async () => {
  const gpu = await testGpu();
  const shape = { B: 1, T: 5, NH: 1, HS: 4 };
  expect(await tuneAttention(gpu, shape)).toEqual([]);
  expect(isAttentionTuned(gpu, shape)).toBe(false);
});
