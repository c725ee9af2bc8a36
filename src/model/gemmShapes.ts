// Every matrix product of a training step, so that the fastest kernel variant can be measured for exactly these shapes before the step is planned.
import type { ModelConfig } from '../config/modelConfig.ts';
import type { Storage } from '../gpu/buffers.ts';
import type { MemoryLimits } from '../gpu/limits.ts';
import type { GemmProblem } from '../kernels/gemm.ts';
import type { BatchShape } from './forward.ts';
import { headChunkRows } from './head.ts';

export type GemmUse = GemmProblem & {
  /** How often a step computes it. */
  readonly count: number;
};

export interface GemmUsesOptions {
  readonly train: boolean;
  /** How the model stores what SmallModelOptions.storage says. */
  readonly storage?: Storage;
}

/** The products of the forward pass and, with `train`, of the backward pass, on an adapter with these limits. */
export function gemmUses(limits: MemoryLimits, config: ModelConfig, { batchSize, seqLen }: BatchShape, { train, storage = 'f32' }: GemmUsesOptions): GemmUse[] {
  const { hiddenSize: C, intermediateSize: F, vocabSize: V, numHiddenLayers: L } = config;
  const rows = batchSize * seqLen;
  const chunk = headChunkRows(rows, V, limits);
  const chunks = Math.ceil(rows / chunk);
  // What goes to or comes from the residual stream, and logits, stay f32 whatever the rest is.
  const linears: { out: number; inner: number; rows: number; count: number; floatOutput: boolean }[] = [
    { out: 3 * C, inner: C, rows, count: L, floatOutput: false },
    { out: C, inner: C, rows, count: L, floatOutput: true },
    { out: 2 * F, inner: C, rows, count: L, floatOutput: false },
    { out: C, inner: F, rows, count: L, floatOutput: true },
    { out: V, inner: C, rows: chunk, count: chunks, floatOutput: true },
  ];
  return linears.flatMap(({ out, inner, rows: M, count, floatOutput }) => {
    const half = storage === 'f16' ? storage : undefined;
    const output = floatOutput ? undefined : half;
    const stored = (a: 'f16' | undefined, b: 'f16' | undefined, c: 'f16' | undefined) => (half ? { storage: { a, b, c } } : {});
    const forward: GemmUse = { form: 'NT', M, N: out, K: inner, count, ...stored(half, half, output) };
    if (!train) return [forward];
    return [forward, { form: 'NN', M, N: inner, K: out, count, ...stored(output, half, half) } as const, { form: 'TN', M: out, N: inner, K: M, count, ...stored(output, half, undefined) } as const];
  });
}

/** Floating-point operations of the matrix products of one pass over the batch (attention not counted). */
export function gemmFlops(uses: readonly GemmUse[]): number {
  return uses.reduce((sum, { M, N, K, count }) => sum + 2 * M * N * K * count, 0);
}
