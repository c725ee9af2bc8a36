import { expect, it } from 'vitest';
import { dequantizeRows } from './quantized.ts';

it('multiplies every row by its own scale', () => {
  const values = dequantizeRows(Int8Array.of(-127, 0, 127, 1, -1, 64), Float32Array.of(0.5, 0.1));
  expect([...values]).toEqual([-63.5, 0, 63.5, Math.fround(0.1), -Math.fround(0.1), Math.fround(64 * Math.fround(0.1))]);
});

it('reads a scale of zero as a row of zeros, and a view at any offset', () => {
  const bytes = Uint8Array.of(9, 255, 1, 2, 3);
  expect([...dequantizeRows(new Int8Array(bytes.buffer, 1), Float32Array.of(2, 0))]).toEqual([-2, 2, 0, 0]);
});
