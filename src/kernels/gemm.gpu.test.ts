// Every variant of the matrix multiplication against its CPU twin, on shapes that do and do not divide into the tiles.
import { beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../gpu/device.ts';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { matmul } from '../reference/matmul.ts';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { chosenVariant, gemm, GEMM_VARIANTS, supportedVariants, variantsOf, type GemmForm, type GemmProblem, type GemmVariant } from './gemm.ts';
import { tuneGemm } from './gemmTuner.ts';

const TOLERANCE = 1e-5;
const FORMS: readonly GemmForm[] = ['NT', 'NN', 'TN'];
/** [M, N, K]: one of everything, one row, one column, K = 1, odd, edges in steps of four, whole tiles. */
const SHAPES: readonly (readonly [number, number, number])[] = [
  [1, 1, 1], [1, 70, 20], [33, 1, 8], [17, 19, 1], [37, 29, 23], [68, 100, 44], [32, 48, 64], [36, 20, 7],
  // Past the depth that the WebAssembly kernel packs at once.
  [21, 75, 530],
];

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

interface Case {
  problem: GemmProblem;
  a: Float32Array;
  b: Float32Array;
  before: Float32Array;
}

function randomCase(form: GemmForm, [M, N, K]: readonly [number, number, number]): Case {
  return {
    problem: { form, M, N, K },
    a: randomFloats(M * K, M + 7 * K),
    b: randomFloats(N * K, N + 13 * K),
    before: randomFloats(M * N, 5),
  };
}

/** C after one multiplication that found `before` in C. */
async function multiply({ problem, a, b, before }: Case, variant: GemmVariant | undefined, accumulate: boolean): Promise<Float32Array> {
  return withoutGpuErrors(gpu, async () => {
    const buffers = { a: gpu.buffers.upload('test.a', a), b: gpu.buffers.upload('test.b', b), c: gpu.buffers.upload('test.c', before) };
    submitOps(gpu, 'test', [await gemm(gpu, buffers, { ...problem, accumulate, variant })]);
    const result = await readFloats(gpu, buffers.c);
    for (const { buffer } of Object.values(buffers)) gpu.buffers.destroy(buffer);
    return result;
  });
}

/** One row, odd and past one block: each costs a software adapter a second where there are barriers. */
const SHAPES_WITH_BARRIERS: readonly (readonly [number, number, number])[] = [[1, 70, 20], [37, 29, 23], [68, 100, 44]];
/** Past one block of 128 x 128 both ways: the text of these differs from that of block-32x32 by its numbers alone, and each shader takes a software adapter seconds to compile. */
const SHAPES_OF_LARGE_BLOCKS: readonly (readonly [number, number, number])[] = [[132, 136, 20]];
const isLargeBlock = (variant: string): boolean => /^block-(64|128)/.test(variant);
/** A larger one of the same text as another variant's, and slow here: what does not depend on its numbers is tested on the smaller one. */
const isLarger = (variant: string): boolean => isLargeBlock(variant) || variant === 'workgroup-64x64';

describe.each(GEMM_VARIANTS.map(({ name, hasBarriers }) => ({ variant: name, hasBarriers })))('$variant', ({ variant, hasBarriers }) => {
  it.each(FORMS)('equals the CPU twin in form %s', async (form) => {
    for (const shape of isLargeBlock(variant) ? SHAPES_OF_LARGE_BLOCKS : hasBarriers ? SHAPES_WITH_BARRIERS : SHAPES) {
      const example = randomCase(form, shape);
      if (!supportedVariants(gpu, example.problem).some(({ name }) => name === variant)) {
        await expect(multiply(example, variant, false)).rejects.toThrow(/does not support/);
        continue;
      }
      const product = matmul(form, example.a, example.b, example.problem);
      const what = `${variant} ${form} ${shape.join('x')}`;
      const assigned = await multiply(example, variant, false);
      expectClose(what, assigned, product, TOLERANCE);
      if (isLarger(variant)) continue;
      expectClose(`${what} accumulated`, await multiply(example, variant, true), product.map((value, i) => value + example.before[i]), TOLERANCE);
      expect(await multiply(example, variant, false)).toEqual(assigned);
    }
  });
});

it('reaches every variant with some shape of the test above', () => {
  for (const { name } of variantsOf(gpu)) {
    const reached = FORMS.some((form) => SHAPES.some(([M, N, K]) => supportedVariants(gpu, { form, M, N, K }).some((v) => v.name === name)));
    expect(reached, name).toBe(true);
  }
});

it('stages nothing in workgroup memory where that is switched off', () => {
  const all = variantsOf(gpu);
  const without = variantsOf({ ...gpu, without: new Set(['workgroupMemory'] as const) });
  expect(without).toEqual(all.filter(({ hasBarriers }) => !hasBarriers));
  expect(without.length).toBeGreaterThan(0);
});

it('keeps a NaN row of A in its row of C', async () => {
  for (const { name } of variantsOf(gpu).filter((variant) => !isLarger(variant.name))) {
    const example = randomCase('NT', [20, 36, 12]);
    if (!supportedVariants(gpu, example.problem).some((v) => v.name === name)) continue;
    example.a.fill(NaN, 3 * 12, 4 * 12);
    const result = await multiply(example, name, false);
    for (let row = 0; row < 20; row++) {
      const numNaN = result.subarray(row * 36, (row + 1) * 36).filter(Number.isNaN).length;
      expect(numNaN, `${name} row ${row}`).toBe(row === 3 ? 36 : 0);
    }
  }
});

it('computes any form and shape without a named variant', async () => {
  for (const form of FORMS) {
    for (const shape of SHAPES) {
      const example = randomCase(form, shape);
      expectClose(`${form} ${shape.join('x')}`, await multiply(example, undefined, false), matmul(form, example.a, example.b, example.problem), TOLERANCE);
    }
  }
});

it('refuses sizes and views that do not fit', () => {
  const view = gpu.buffers.createFloats('test.small', 4);
  expect(() => gemm(gpu, { a: view, b: view, c: view }, { form: 'NT', M: 8, N: 8, K: 8, accumulate: false })).toThrow(/too small/);
  expect(() => gemm(gpu, { a: view, b: view, c: view }, { form: 'NT', M: 0, N: 1, K: 1, accumulate: false })).toThrow(/positive/);
  gpu.buffers.destroy(view.buffer);
});

it('tunes to an eligible variant and uses it from then on', async () => {
  const problems: GemmProblem[] = [{ form: 'NT', M: 32, N: 48, K: 64 }, { form: 'TN', M: 48, N: 32, K: 32 }, { form: 'NN', M: 5, N: 7, K: 3 }];
  const bytesBefore = gpu.buffers.bytes;
  const results = await tuneGemm(gpu, problems, { budgetMs: 3000 });
  expect(gpu.buffers.bytes).toBe(bytesBefore);
  expect(results).toHaveLength(problems.length);
  for (const [i, { problem, winner, measurements }] of results.entries()) {
    expect(problem).toEqual(problems[i]);
    const supported = supportedVariants(gpu, problem).map(({ name }) => name);
    expect(supported).toContain(winner);
    expect(chosenVariant(gpu, problem)).toBe(winner);
    const won = measurements.find(({ variant }) => variant === winner);
    expect(won?.eligible).toBe(true);
    expect(measurements.filter(({ eligible }) => eligible).every(({ milliseconds }) => !(milliseconds < (won?.milliseconds ?? NaN)))).toBe(true);
    expect(measurements.every(({ variant }) => supported.includes(variant))).toBe(true);
  }
});
