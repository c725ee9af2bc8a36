import { expect, it } from 'vitest';
import { WEBGPU_DEFAULT_LIMITS } from '../gpu/limits.ts';
import { headChunkRows } from './head.ts';

const rowsUnder = (rows: number, vocabSize: number, bytes: number): number => headChunkRows(rows, vocabSize, { ...WEBGPU_DEFAULT_LIMITS, maxStorageBufferBindingSize: bytes });

it('computes a quarter of the logits at once, in rows of 64, up to 256', () => {
  expect([1, 39, 64, 200, 512, 1024, 9000].map((rows) => headChunkRows(rows, 4096, WEBGPU_DEFAULT_LIMITS))).toEqual([1, 39, 64, 64, 128, 256, 256]);
});

it('computes no more at once than the adapter binds, but 64 rows', () => {
  const bytesOf = (rows: number): number => rows * 32_000 * 4;
  expect([256, 255, 192, 128, 64, 10].map((rows) => rowsUnder(1024, 32_000, bytesOf(rows)))).toEqual([256, 192, 192, 128, 64, 64]);
  expect(headChunkRows(1024, 32_000, { maxBufferSize: bytesOf(130), maxStorageBufferBindingSize: 1e9 })).toBe(128);
});
