// Every matrix product of a training step, so that the fastest kernel variant can be measured for exactly these shapes before the step is planned.
import type { ModelConfig } from '../config/modelConfig.ts';
import type { MemoryLimits } from '../gpu/limits.ts';
import type { GemmForm, GemmShape } from '../kernels/gemm.ts';
import type { BatchShape } from './forward.ts';
import { headChunkRows } from './head.ts';

export type GemmUse = GemmShape & {
  readonly form: GemmForm;
  /** How often a step computes it. */
  readonly count: number;
};

/** The products of the forward pass and, with `train`, of the backward pass, on an adapter with these limits. */
export function gemmUses(limits: MemoryLimits, config: ModelConfig, { batchSize, seqLen }: BatchShape, { train }: { readonly train: boolean }): GemmUse[] {
  const { hiddenSize: C, intermediateSize: F, vocabSize: V, numHiddenLayers: L } = config;
  const rows = batchSize * seqLen;
  const chunk = headChunkRows(rows, V, limits);
  const chunks = Math.ceil(rows / chunk);
  const linears: { out: number; inner: number; rows: number; count: number }[] = [
    { out: 3 * C, inner: C, rows, count: L },
    { out: C, inner: C, rows, count: L },
    { out: 2 * F, inner: C, rows, count: L },
    { out: C, inner: F, rows, count: L },
    { out: V, inner: C, rows: chunk, count: chunks },
  ];
  return linears.flatMap(({ out, inner, rows: M, count }) => {
    const forward: GemmUse = { form: 'NT', M, N: out, K: inner, count };
    if (!train) return [forward];
    return [forward, { form: 'NN', M, N: inner, K: out, count } as const, { form: 'TN', M: out, N: inner, K: M, count } as const];
  });
}

/** Floating-point operations of the matrix products of one pass over the batch (attention not counted). */
export function gemmFlops(uses: readonly GemmUse[]): number {
  return uses.reduce((sum, { M, N, K, count }) => sum + 2 * M * N * K * count, 0);
}
