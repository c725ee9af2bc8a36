// Decoding token by token must give what full causal attention gives for the same row.
import { expect, it } from 'vitest';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { attentionForward } from '../reference/attention.ts';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { attentionDecode } from './attentionDecode.ts';

// One key, keys around one pass of sixty-four, several passes, more channels than invocations.
const SHAPES = [{ T: 1, NH: 1, HS: 4 }, { T: 67, NH: 3, HS: 20 }, { T: 131, NH: 1, HS: 8 }, { T: 6, NH: 2, HS: 128 }];
for (const { T, NH, HS, variant } of SHAPES.flatMap((shape) => [{ ...shape, variant: 'alone' as const }, { ...shape, variant: 'sharedKeys' as const }])) {
  it(`decodes ${T} tokens, ${NH} heads of ${HS}, as full attention does, ${variant}`, async () => {
    const gpu = await testGpu();
    await withoutGpuErrors(gpu, async () => {
      const C = NH * HS;
      const maxT = T + 2;
      const qkvValues = randomFloats(T * 3 * C, 1).map((value) => value * 2);
      const expected = attentionForward(qkvValues, { B: 1, T, NH, HS }).out;
      const decodeAll = async (): Promise<Float32Array> => {
        const query = gpu.buffers.createFloats('test.query', C);
        const state = gpu.buffers.createFloats('test.state', 1);
        // NaN where nothing has been written yet: reading past the position would show.
        const rubbish = new Float32Array(maxT * C).fill(NaN);
        const keyCache = gpu.buffers.upload('test.keyCache', rubbish);
        const valueCache = gpu.buffers.upload('test.valueCache', rubbish);
        const out = gpu.buffers.createFloats('test.out', C);
        const op = await attentionDecode(gpu, { query, keyCache, valueCache, out, state }, { NH, HS, maxT, variant });
        const rows = new Float32Array(T * C);
        for (let position = 0; position < T; position++) {
          const [queryAt, keyAt, valueAt] = [0, 1, 2].map((part) => (position * 3 + part) * C);
          gpu.device.queue.writeBuffer(query.buffer, query.offset, qkvValues, queryAt, C);
          gpu.device.queue.writeBuffer(keyCache.buffer, keyCache.offset + position * C * 4, qkvValues, keyAt, C);
          gpu.device.queue.writeBuffer(valueCache.buffer, valueCache.offset + position * C * 4, qkvValues, valueAt, C);
          gpu.device.queue.writeBuffer(state.buffer, state.offset, Uint32Array.of(position));
          submitOps(gpu, 'test', [op]);
          rows.set(await readFloats(gpu, out), position * C);
        }
        return rows;
      };
      const actual = await decodeAll();
      expectClose('rows', actual, expected, 1e-5);
      expect(await decodeAll()).toEqual(actual);
    });
  });
}

it('refuses caches of another shape', async () => {
  const gpu = await testGpu();
  const view = gpu.buffers.createFloats('test.any', 24);
  const buffers = { query: view, keyCache: view, valueCache: view, out: view, state: view };
  await expect(attentionDecode(gpu, buffers, { NH: 1, HS: 8, maxT: 4 })).rejects.toThrow(/are not \[4, 8\]/);
});
