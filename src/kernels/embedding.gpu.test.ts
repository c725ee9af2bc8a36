// Token embedding against its CPU twin, with repeated tokens, one token only, and sequences of other lengths than a workgroup.
import { expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import * as twin from '../reference/embedding.ts';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { embeddingBackward, embeddingDecode, embeddingForward, sortedStartsLength, sortRowsByToken } from './embedding.ts';

function randomTokens(rows: number, V: number, seed: number): Uint32Array {
  const random = createRandom(seed);
  return Uint32Array.from({ length: rows }, () => random.integer(V));
}

function sorted(tokens: Uint32Array): { order: Uint32Array; starts: Uint32Array } {
  const order = new Uint32Array(tokens.length);
  const starts = new Uint32Array(sortedStartsLength(tokens.length));
  sortRowsByToken(tokens, order, starts);
  return { order, starts };
}

for (const { rows, C, V } of [
  { rows: 1, C: 4, V: 1 },
  { rows: 7, C: 12, V: 3 },
  { rows: 70, C: 20, V: 11 },
  { rows: 33, C: 132, V: 300 },
  { rows: 9, C: 4, V: 70_000 },
]) {
  it(`equals its twin for ${rows} tokens of ${V}, width ${C}, twice the same bits`, async () => {
    const gpu = await testGpu();
    await withoutGpuErrors(gpu, async () => {
      const tokens = randomTokens(rows, V, 1);
      const tableValues = randomFloats(V * C, 2);
      const tokensView = gpu.buffers.upload('test.tokens', tokens);
      const table = gpu.buffers.upload('test.table', tableValues);
      const x = gpu.buffers.createFloats('test.x', rows * C);
      submitOps(gpu, 'test', [await embeddingForward(gpu, { tokens: tokensView, table, x }, { rows, C, V })]);
      expect(await readFloats(gpu, x)).toEqual(Float32Array.from(twin.embeddingForward(tokens, tableValues, { C })));

      const one = gpu.buffers.createFloats('test.one', C);
      const state = gpu.buffers.upload('test.state', Uint32Array.of(rows - 1));
      submitOps(gpu, 'test', [await embeddingDecode(gpu, { tokens: tokensView, table, x: one, state }, { C, V })]);
      expect(await readFloats(gpu, one)).toEqual(Float32Array.from(twin.embeddingForward(tokens.slice(-1), tableValues, { C })));

      const dxValues = randomFloats(rows * C, 3);
      const oldDTable = randomFloats(V * C, 4);
      const { order, starts } = sorted(tokens);
      const run = async (): Promise<Float32Array> => {
        const dTable = gpu.buffers.upload('test.dTable', oldDTable);
        const buffers = { dx: gpu.buffers.upload('test.dx', dxValues), order: gpu.buffers.upload('test.order', order), starts: gpu.buffers.upload('test.starts', starts), dTable };
        submitOps(gpu, 'test', [await embeddingBackward(gpu, buffers, { rows, C, V })]);
        return readFloats(gpu, dTable);
      };
      const actual = await run();
      expectClose('dTable', actual, twin.embeddingBackward(tokens, dxValues, { V, C }).map((value, i) => value + oldDTable[i]), 1e-6);
      expect(await run()).toEqual(actual);
    });
  });
}

it('groups rows by token, ascending, each group in order', () => {
  for (const [rows, V] of [[1, 1], [50, 1], [200, 17], [200, 4096], [64, 0xffffffff]] as const) {
    const tokens = randomTokens(rows, V, rows + V);
    const { order, starts } = sorted(tokens);
    const expectedOrder = Array.from(tokens.keys()).sort((a, b) => tokens[a] - tokens[b] || a - b);
    expect([...order]).toEqual(expectedOrder);
    const distinct = [...new Set(expectedOrder.map((row) => tokens[row]))];
    expect([...starts.slice(0, 2)]).toEqual([distinct.length, 0]);
    expect([...starts.slice(2, 2 + 2 * distinct.length)]).toEqual(distinct.flatMap((token) => [token, expectedOrder.findIndex((row) => tokens[row] === token)]));
  }
});

it('refuses shapes that do not belong together', async () => {
  const gpu = await testGpu();
  const view = gpu.buffers.createFloats('test.any', 24);
  await expect(embeddingForward(gpu, { tokens: view, table: view, x: view }, { rows: 2, C: 6, V: 4 })).rejects.toThrow(/multiple of 4, not 6/);
  await expect(embeddingForward(gpu, { tokens: view, table: view, x: view }, { rows: 2, C: 4, V: 7 })).rejects.toThrow(/96 bytes is not \[7, 4\]/);
  expect(() => sortRowsByToken(new Uint32Array(3), new Uint32Array(2), new Uint32Array(8))).toThrow(/3 tokens, order of 2/);
});
