// The page that bench/gemm.mjs drives: tunes every multiplication of one nano training step and hands back the measurements.
import { openGpu } from '../src/gpu/device.ts';
import type { GemmForm, GemmProblem } from '../src/kernels/gemm.ts';
import { tuneGemm, type TunedGemm } from '../src/kernels/gemmTuner.ts';

export interface GemmBenchResult {
  readonly adapter: string;
  readonly tuned: readonly TunedGemm[];
}

declare global {
  interface Window {
    gemmBench?: (secondsPerShape: number, only?: string) => Promise<GemmBenchResult>;
  }
}

const of = (form: GemmForm, M: number, N: number, K: number): GemmProblem => ({ form, M, N, K });

/** Nano (C = 128, F = 384, V = 4096) at 512 rows; the head in chunks of 128 rows. */
const NANO_PROBLEMS: readonly GemmProblem[] = [
  of('NT', 512, 384, 128), of('NT', 512, 128, 128), of('NT', 512, 768, 128), of('NT', 512, 128, 384), of('NT', 128, 4096, 128),
  of('NN', 512, 128, 384), of('NN', 512, 128, 128), of('NN', 512, 128, 768), of('NN', 512, 384, 128), of('NN', 128, 128, 4096),
  of('TN', 384, 128, 512), of('TN', 128, 128, 512), of('TN', 768, 128, 512), of('TN', 128, 384, 512), of('TN', 4096, 128, 128),
  of('NT', 1, 384, 128), of('NT', 1, 4096, 128),
];

window.gemmBench = async (secondsPerShape, only) => {
  const gpu = await openGpu();
  const problems = NANO_PROBLEMS.filter(({ form, M, N, K }) => !only || `${form} ${M}x${N}x${K}`.includes(only));
  const tuned = await tuneGemm(gpu, problems, { budgetMs: 1000 * secondsPerShape * problems.length });
  return { adapter: gpu.adapter.name, tuned };
};
