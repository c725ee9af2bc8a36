// The fused products of one token against their CPU twins, in both ways of dividing rows; the WebAssembly engine has one.
import { expect, it } from 'vitest';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps, type DispatchOp } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import * as twin from '../reference/vectorProduct.ts';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { ropeTable } from './rope.ts';
import { normProduct, normQkv, normSwiglu, type VectorProductVariant } from './vectorProduct.ts';

const EPS = 1e-5;
const VARIANTS: readonly VectorProductVariant[] = ['alone', 'shared'];

function vectorOf(N: number, K: number): { x: Float32Array; normWeight: Float32Array; w: Float32Array } {
  return { x: randomFloats(K, 1).map((value) => 3 * value), normWeight: randomFloats(K, 2).map((value) => 1 + value / 2), w: randomFloats(N * K, 3) };
}

function upload(gpu: Gpu, { x, normWeight, w }: ReturnType<typeof vectorOf>): { x: BufferView; normWeight: BufferView; w: BufferView } {
  return { x: gpu.buffers.upload('test.x', x), normWeight: gpu.buffers.upload('test.normWeight', normWeight), w: gpu.buffers.upload('test.w', w) };
}

/** Runs twice and gives the first result; the second must be its bits. */
async function twice(gpu: Gpu, op: Promise<DispatchOp>, results: readonly BufferView[]): Promise<Float32Array[]> {
  const read = async (): Promise<Float32Array[]> => {
    submitOps(gpu, 'test', [await op]);
    return Promise.all(results.map((view) => readFloats(gpu, view)));
  };
  const first = await read();
  expect(await read()).toEqual(first);
  return first;
}

for (const variant of VARIANTS) {
  // One row, rows that are no whole set, one column of vec4f, more columns than lanes.
  for (const { N, K } of [{ N: 1, K: 4 }, { N: 7, K: 12 }, { N: 70, K: 132 }, { N: 4097, K: 20 }]) {
    it(`norm and product [${N}, ${K}], ${variant}`, async () => {
      const gpu = await testGpu();
      await withoutGpuErrors(gpu, async () => {
        const vector = vectorOf(N, K);
        const y = gpu.buffers.createFloats('test.y', N);
        const [actual] = await twice(gpu, normProduct(gpu, { ...upload(gpu, vector), y }, { N, K, eps: EPS, variant }), [y]);
        expectClose('y', actual, twin.normProduct(vector, { N, K, eps: EPS }), 1e-5);
      });
    });
  }

  for (const { NH, HS, K, position } of [{ NH: 1, HS: 4, K: 4, position: 0 }, { NH: 3, HS: 20, K: 60, position: 5 }, { NH: 2, HS: 64, K: 128, position: 2 }]) {
    it(`norm, product, rotation and cache: ${NH} heads of ${HS} at ${position}, ${variant}`, async () => {
      const gpu = await testGpu();
      await withoutGpuErrors(gpu, async () => {
        const [C, maxT, theta] = [NH * HS, position + 2, 10_000];
        const vector = vectorOf(3 * C, K);
        const untouched = new Float32Array(maxT * C).fill(7);
        const query = gpu.buffers.createFloats('test.query', C);
        const [keyCache, valueCache] = [gpu.buffers.upload('test.keys', untouched), gpu.buffers.upload('test.values', untouched)];
        const state = gpu.buffers.upload('test.state', Uint32Array.of(position));
        const cosSin = gpu.buffers.upload('test.cosSin', ropeTable(maxT, HS, theta));
        const op = normQkv(gpu, { ...upload(gpu, vector), cosSin, state, query, keyCache, valueCache }, { NH, HS, K, eps: EPS, variant });
        const [q, keys, values] = await twice(gpu, op, [query, keyCache, valueCache]);
        const expected = twin.normQkv(vector, { NH, HS, K, eps: EPS, theta, position });
        expectClose('query', q, expected.query, 1e-5);
        for (const [name, cache, row] of [['keys', keys, expected.key], ['values', values, expected.value]] as const) {
          const all = untouched.slice();
          all.set(row, position * C);
          expectClose(name, cache, all, 1e-5);
        }
      });
    });
  }

  for (const { F, K } of [{ F: 2, K: 4 }, { F: 22, K: 12 }, { F: 130, K: 132 }]) {
    it(`norm, product and SwiGLU [${F}, ${K}], ${variant}`, async () => {
      const gpu = await testGpu();
      await withoutGpuErrors(gpu, async () => {
        const vector = vectorOf(2 * F, K);
        const activation = gpu.buffers.createFloats('test.activation', F);
        const [actual] = await twice(gpu, normSwiglu(gpu, { ...upload(gpu, vector), activation }, { F, K, eps: EPS, variant }), [activation]);
        expectClose('activation', actual, twin.normSwiglu(vector, { F, K, eps: EPS }), 1e-5);
      });
    });
  }
}

it('lets NaN through and refuses views of another size', async () => {
  const gpu = await testGpu();
  const vector = vectorOf(4, 8);
  vector.x[3] = NaN;
  const y = gpu.buffers.createFloats('test.y', 4);
  submitOps(gpu, 'test', [await normProduct(gpu, { ...upload(gpu, vector), y }, { N: 4, K: 8, eps: EPS })]);
  expect((await readFloats(gpu, y)).every(Number.isNaN)).toBe(true);
  await expect(normProduct(gpu, { ...upload(gpu, vector), y }, { N: 4, K: 12, eps: EPS })).rejects.toThrow(/are not \[K\], \[K\] and \[N, K\]/);
  await expect(normSwiglu(gpu, { ...upload(gpu, vector), activation: y }, { F: 3, K: 8, eps: EPS })).rejects.toThrow(/even width, not 3/);
});
