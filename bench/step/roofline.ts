// What the step could reach at best: all its matrix products alone, each through the fastest variant measured for its shape in this very tab.
import { BufferScope, subview } from '../../src/gpu/buffers.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { submitOps, type DispatchOp } from '../../src/gpu/dispatch.ts';
import { Readback } from '../../src/gpu/readback.ts';
import { chosenVariant, gemm } from '../../src/kernels/gemm.ts';
import { tuneGemm } from '../../src/kernels/gemmTuner.ts';
import { gemmFlops, gemmUses } from '../../src/model/gemmShapes.ts';
import { modelConfigOf, type BenchConfig } from '../../src/pages/benchHarness.ts';

export interface Roofline {
  /** Floating-point operations of the products together. */
  readonly flops: number;
  /** e.g. "NT 512x384x128 x4: quad-16x12" */
  readonly choices: readonly string[];
  /** Runs all products of a step once, in milliseconds. */
  measure(): Promise<number>;
  dispose(): void;
}

/** Tunes every product of the step on `gpu`, with far more time than training takes for that, and plans them all. */
export async function createRoofline(gpu: Gpu, config: BenchConfig, tuneMilliseconds: number): Promise<Roofline> {
  const { batchSize, seqLen } = config;
  const uses = gemmUses(gpu.device.limits, modelConfigOf(config), { batchSize, seqLen }, { train: true });
  await tuneGemm(gpu, uses, { budgetMs: tuneMilliseconds });
  const scope = new BufferScope(gpu.buffers, 'roofline');
  const largest = (pick: (use: (typeof uses)[number]) => number): number => Math.max(...uses.map(pick));
  const a = scope.upload('a', randomOperand(largest(({ M, K }) => M * K)));
  const b = scope.upload('b', randomOperand(largest(({ N, K }) => N * K)));
  const c = scope.floats('c', largest(({ M, N }) => M * N));
  const ops: DispatchOp[] = [];
  for (const { count, ...problem } of uses) {
    const { M, N, K, form } = problem;
    // As in the model: weight gradients accumulate, everything else is assigned.
    const op = await gemm(gpu, { a: subview(a, 0, M * K), b: subview(b, 0, N * K), c: subview(c, 0, M * N) }, { ...problem, accumulate: form === 'TN' });
    for (let i = 0; i < count; i++) ops.push(op);
  }
  const readback = new Readback(gpu, 'roofline.done', 4);
  return {
    flops: gemmFlops(uses),
    choices: uses.map(({ count, ...problem }) => `${problem.form} ${problem.M}x${problem.N}x${problem.K} x${count}: ${chosenVariant(gpu, problem)}`),
    async measure() {
      const start = performance.now();
      submitOps(gpu, 'roofline', ops);
      await readback.read(subview(c, 0, 1));
      return performance.now() - start;
    },
    dispose() {
      readback.destroy();
      scope.destroy();
    },
  };
}

/** Ordinary magnitudes: zeros or subnormals would time differently. */
function randomOperand(length: number): Float32Array {
  return Float32Array.from({ length }, () => Math.random() - 0.5);
}
