// From runs to the rows of the overlaid chart: one line per run, validation perplexity over steps, tokens, time or operations. Pure.
import type { RunCurvePoint, RunRecord } from '../../config/runRecord.ts';

export type CurveAxis = 'step' | 'tokens' | 'seconds' | 'flops';

export interface CurveLine {
  readonly runId: string;
  readonly name: string;
  readonly color: string;
  readonly points: readonly { readonly x: number; readonly perplexity: number }[];
}

/** Apart from each other for most colour-blind eyes, on paper and on dark; after the last it begins anew. */
const COLORS = ['var(--series-1)', 'var(--series-2)', 'var(--series-3)', 'var(--series-4)', 'var(--series-5)', 'var(--series-6)', 'var(--series-7)'] as const;

export function curveLines(runs: readonly RunRecord[], axis: CurveAxis): CurveLine[] {
  return runs.map(({ runId, name, curve }, index) => ({
    runId, name, color: COLORS[index % COLORS.length],
    points: curve.filter(isValidated).map((point) => ({ x: point[axis], perplexity: Math.exp(point.validationLoss) })),
  }));
}

const isValidated = (point: RunCurvePoint): point is RunCurvePoint & { validationLoss: number } => point.validationLoss !== undefined;
