// Chooses the fastest kernels for every shape of a model by measurement, once per device and shape. Called before a model is planned, because a plan keeps the
// kernels it was made with.
import type { ModelConfig } from '../config/modelConfig.ts';
import { BufferScope } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { isAttentionTuned } from '../kernels/attention.ts';
import { tuneAttention } from '../kernels/attentionTuner.ts';
import { isTuned } from '../kernels/gemm.ts';
import { tuneGemm } from '../kernels/gemmTuner.ts';
import { attentionShape, type BatchShape } from './forward.ts';
import { gemmUses, type GemmUse } from './gemmShapes.ts';

/** Time for measuring matrix products, in milliseconds; shapes that get none keep the default of gemm.ts. */
const TUNING_BUDGET_MS = 1000;

/** Whether anything is measured on this adapter. On software ones the defaults come from measurements on that very adapter (bench/LOG.md), and measuring again takes longer than it can win. */
export const measuresKernels = (gpu: Gpu): boolean => !gpu.adapter.isFallback && !gpu.without.has('measuring');

export async function tuneKernels(gpu: Gpu, config: ModelConfig, shape: BatchShape, options: { readonly train: boolean }): Promise<void> {
  if (!measuresKernels(gpu)) return;
  const heads = attentionShape(config, shape);
  if (options.train && !isAttentionTuned(gpu, heads)) await tuneAttention(gpu, heads);
  await tuneProducts(gpu, gemmUses(gpu.device.limits, config, shape, options), TUNING_BUDGET_MS);
}

/** Measures those of the products of which nothing is known on this device yet. */
export async function tuneProducts(gpu: Gpu, uses: readonly GemmUse[], budgetMs: number): Promise<void> {
  const untuned = uses.filter((use) => !isTuned(gpu, use));
  if (untuned.length > 0) await tuneGemm(gpu, untuned, { budgetMs });
}

/** Makes and frees what tuneKernels has on the GPU: product after product its operands and result, and the result's way back. Never less than that. */
export function planTuning(gpu: Gpu, config: ModelConfig, shape: BatchShape, options: { readonly train: boolean }): void {
  if (!measuresKernels(gpu)) return;
  const storesBoth = !gpu.without.has('halfStorage');
  for (const { M, N, K } of gemmUses(gpu.device.limits, config, shape, options)) {
    const scope = new BufferScope(gpu.buffers, 'tuning');
    for (const [name, numFloats] of [['a', M * K], ['b', N * K], ['c', M * N], ['readback', M * N]] as const) {
      scope.floats(name, numFloats);
      // The same product over halves beside it (chooseStorage.ts).
      if (storesBoth) scope.floats(`${name}.halves`, Math.ceil(numFloats / 2));
    }
    scope.destroy();
  }
}
