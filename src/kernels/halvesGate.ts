// Whether an adapter's drivers get halves right: stored numbers and a product of halves against their values on the CPU. Asked before halves are ever chosen; that the
// faster variants agree with the plain product is gemmTuner's to ask.
import { decodeFloat16, encodeFloat16 } from '../core/float16.ts';
import { createRandom } from '../core/random.ts';
import { BufferScope } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { gemm, type GemmProblem } from './gemm.ts';
import { halfCopy } from './halfCopy.ts';

const PROBLEM: GemmProblem = { form: 'NT', M: 12, N: 20, K: 32 };
/** An overflow must be seen as one, and NaN as NaN. */
const EDGES = [65_504, -65_504, 65_536, -1e10, Infinity, NaN, 0, -2];
const STORED_EDGES = [65_504, -65_504, Infinity, -Infinity, Infinity, NaN, 0, -2];
/** WGSL may round to either neighbour. */
const ROUNDING = 2 ** -10;
/** Of a sum in f32, over the largest possible. */
const SUMMATION = 1e-5;

export async function computesHalves(gpu: Gpu): Promise<boolean> {
  const { M, N, K } = PROBLEM;
  const random = createRandom(1);
  const drawn = (count: number): Float32Array => Float32Array.from({ length: count }, () => 2 * random.next() - 1);
  const [a, b] = [M * K, N * K].map((count) => decodeFloat16(encodeFloat16(drawn(count))));
  const numbers = Float32Array.from([...EDGES, ...drawn(56)]);
  const scope = new BufferScope(gpu.buffers, 'halvesGate');
  try {
    const product = scope.halves('product', M * N);
    const halves = scope.halves('halves', numbers.length);
    submitOps(gpu, 'halvesGate', [
      await halfCopy(gpu, { numbers: scope.upload('numbers', numbers), halves }),
      await gemm(gpu, { a: scope.uploadHalves('a', a), b: scope.uploadHalves('b', b), c: product }, { ...PROBLEM, accumulate: false, variant: 'plain' }),
    ]);
    const [stored, products] = [await readFloats(gpu, halves), await readFloats(gpu, product)];
    return STORED_EDGES.every((edge, i) => Object.is(stored[i], edge)) && numbers.subarray(EDGES.length).every((value, i) => isRounded(stored[EDGES.length + i], value, 2 ** -24))
      && products.every((value, i) => isRounded(value, rowProduct(a, b, Math.floor(i / N), i % N, K), SUMMATION * K));
  } finally {
    scope.destroy();
  }
}

/** NaN is not. */
const isRounded = (actual: number, exact: number, error: number): boolean => Math.abs(actual - exact) <= ROUNDING * Math.abs(exact) + error;

function rowProduct(a: Float32Array, b: Float32Array, row: number, col: number, K: number): number {
  let sum = 0;
  for (let k = 0; k < K; k++) sum += a[row * K + k] * b[col * K + k];
  return sum;
}
