// The matrix multiplication over halves against its CPU twin: every mix of storages, drawn shapes. Operands are halves already, and products of two halves are exact in f32,
// so what is left is the order of the sum, as with f32, and the rounding of C where that is stored as halves.
import { beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { matmul } from '../reference/matmul.ts';
import { expectClose } from '../testing/allclose.ts';
import { expectCloseHalves, roundedToHalves } from '../testing/halves.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { chosenVariant, gemm, isTuned, rememberVariant, supportedVariants, variantsOf, type GemmForm, type GemmProblem, type GemmStorage, type GemmVariant } from './gemm.ts';
import { tuneGemm } from './gemmTuner.ts';

const TOLERANCE = 1e-5;
const FORMS: readonly GemmForm[] = ['NT', 'NN', 'TN'];
const [f32, f16] = [undefined, 'f16'] as const;
/** All mixes but that of f32 alone. */
const MIXES = [f32, f16].flatMap((a) => [f32, f16].flatMap((b) => [f32, f16].map((c): GemmStorage => ({ a, b, c })))).filter(({ a, b, c }) => a ?? b ?? c);
const nameOf = ({ a, b, c }: GemmStorage): string => [a, b, c].map((stored) => stored ?? 'f32').join(' ');

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

interface Case {
  readonly problem: GemmProblem & { readonly storage: GemmStorage };
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly before: Float32Array;
}

function drawn(form: GemmForm, storage: GemmStorage, [M, N, K]: readonly number[]): Case {
  const operand = (length: number, seed: number, isHalf: boolean): Float32Array => (isHalf ? roundedToHalves(randomFloats(length, seed)) : randomFloats(length, seed));
  return {
    problem: { form, M, N, K, storage }, a: operand(M * K, M + 7 * K, storage.a === f16), b: operand(N * K, N + 13 * K, storage.b === f16), before: operand(M * N, 5, storage.c === f16),
  };
}

/** C after one multiplication that found `before` in C. */
async function multiply({ problem, a, b, before }: Case, variant: GemmVariant | undefined, accumulate: boolean): Promise<Float32Array> {
  const { storage, ...sizes } = problem;
  return withoutGpuErrors(gpu, async () => {
    const upload = (values: Float32Array, stored?: 'f16'): BufferView => (stored ? gpu.buffers.uploadHalves('test.halves', values) : gpu.buffers.upload('test.floats', values));
    const buffers = { a: upload(a, storage.a), b: upload(b, storage.b), c: upload(before, storage.c) };
    submitOps(gpu, 'test', [await gemm(gpu, buffers, { ...sizes, accumulate, variant })]);
    const result = await readFloats(gpu, buffers.c);
    for (const { buffer } of Object.values(buffers)) gpu.buffers.destroy(buffer);
    return result;
  });
}

async function expectTwin(example: Case, variant: GemmVariant): Promise<void> {
  const { form, M, N, K, storage } = example.problem;
  const what = `${variant} ${form} ${M}x${N}x${K} ${nameOf(storage)}`;
  const product = matmul(form, example.a, example.b, example.problem);
  const assigned = await multiply(example, variant, false);
  if (storage.c) {
    expectCloseHalves(what, assigned, product, TOLERANCE);
    await expect(multiply(example, variant, true), what).rejects.toThrow(/added to is f32/);
  } else {
    expectClose(what, assigned, product, TOLERANCE);
    expectClose(`${what} accumulated`, await multiply(example, variant, true), product.map((value, i) => value + example.before[i]), TOLERANCE);
  }
  expect(await multiply(example, variant, false), what).toEqual(assigned);
}

const isSupported = (problem: GemmProblem, variant: GemmVariant): boolean => supportedVariants(gpu, problem).some(({ name }) => name === variant);

describe.each(MIXES.map((storage) => ({ mix: nameOf(storage), storage })))('$mix', ({ storage }) => {
  it.each(FORMS)('plain equals the CPU twin in form %s on drawn shapes', async (form) => {
    const random = createRandom(form.charCodeAt(0) + nameOf(storage).length);
    const shapes = [[1, 4, 4], [4, 1, 4], [5, 8, 12], ...Array.from({ length: 5 }, () => Array.from({ length: 3 }, () => 1 + random.integer(90)))];
    let tried = 0;
    for (const shape of shapes) {
      const example = drawn(form, storage, shape);
      if (!isSupported(example.problem, 'plain')) continue;
      tried++;
      await expectTwin(example, 'plain');
    }
    expect(tried).toBeGreaterThan(1);
  });

  it.each(FORMS)('block-32x32 equals the CPU twin in form %s, past one block and on a drawn shape', async (form) => {
    const random = createRandom(form.charCodeAt(1) + nameOf(storage).length);
    await expectTwin(drawn(form, storage, [36, 40, 20]), 'block-32x32');
    await expectTwin(drawn(form, storage, [4 + 4 * random.integer(15), 4 + 4 * random.integer(15), 4 + 4 * random.integer(9)]), 'block-32x32');
  });
});

// Their text differs from that of block-32x32 by its numbers alone, and each takes a software adapter seconds to compile: the mixes of a step, each once.
describe.each(['block-64x64', 'block-64x128', 'block-128x128'])('%s', (variant) => {
  it.each([
    { form: 'NT', storage: { a: f16, b: f16, c: f16 } }, { form: 'NN', storage: { a: f32, b: f16, c: f16 } }, { form: 'TN', storage: { a: f16, b: f16 } },
  ] as const)('equals the CPU twin in form $form past one block', async ({ form, storage }) => {
    const example = drawn(form, storage, [132, 136, 20]);
    const product = matmul(form, example.a, example.b, example.problem);
    (storage.c ? expectCloseHalves : expectClose)(`${variant} ${form}`, await multiply(example, variant, false), product, TOLERANCE);
  });
});

it('lets NaN and an overflow through to their rows of C, and to no others', async () => {
  for (const variant of ['plain', 'block-32x32']) {
    const example = drawn('NT', { a: f16, b: f16, c: f16 }, [8, 12, 8]);
    example.a.fill(NaN, 8, 16);
    example.a.fill(60_000, 24, 32);
    example.b.fill(1);
    const result = await multiply(example, variant, false);
    for (let row = 0; row < 8; row++) {
      const values = [...result.subarray(row * 12, (row + 1) * 12)];
      expect(values.every(row === 1 ? Number.isNaN : row === 3 ? (value) => value === Infinity : Number.isFinite), `${variant} row ${row}`).toBe(true);
    }
  }
});

it('asks of halves what kernels need of them', () => {
  const names = (problem: GemmProblem): string[] => supportedVariants(gpu, problem).map(({ name }) => name);
  const halves: GemmStorage = { a: f16, b: f16, c: f16 };
  expect(names({ form: 'NT', M: 8, N: 12, K: 8, storage: halves })).toEqual(['plain', ...variantsOf(gpu).map(({ name }) => name).filter((name) => name.startsWith('block-'))]);
  expect(names({ form: 'NT', M: 8, N: 13, K: 8, storage: halves })).toEqual([]);
  expect(names({ form: 'NT', M: 8, N: 13, K: 8, storage: { a: f16, b: f16 } })).toEqual(['plain']);
});

it('tunes each mix for itself', async () => {
  const problem: GemmProblem = { form: 'NT', M: 16, N: 20, K: 24 };
  const mixed: GemmProblem = { ...problem, storage: { a: f16, c: f16 } };
  rememberVariant(gpu, problem, 'register-4x4');
  expect([isTuned(gpu, problem), isTuned(gpu, mixed)]).toEqual([true, false]);
  const bytesBefore = gpu.buffers.bytes;
  const [{ winner, measurements }] = await tuneGemm(gpu, [mixed], { budgetMs: 1000 });
  expect(gpu.buffers.bytes).toBe(bytesBefore);
  expect(measurements.map(({ eligible }) => eligible)).toEqual([true]);
  expect([winner, chosenVariant(gpu, mixed), chosenVariant(gpu, problem)]).toEqual(['plain', 'plain', 'register-4x4']);
});
