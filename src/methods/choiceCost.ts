// What choosing an expert costs: evaluations of the text that experts are compared on, gradient steps on the vector, and projections.
import { evaluationFlopsPerToken, projectionFlops, trainingFlopsPerToken } from '../config/trainingFlops.ts';
import type { SmallModel } from '../model/smallModel.ts';
import type { Pack } from '../pack/openPack.ts';
import type { ChosenExpert } from './expertChoice.ts';

/** @param comparedTokens tokens that every expert's loss was computed on */
export function choiceCost(pack: Pack, { losses, fittedCurve }: ChosenExpert, { rows, shape }: Pick<SmallModel, 'rows' | 'shape'>, comparedTokens: number): { tokens: number; flops: number } {
  const fittedSteps = fittedCurve?.length ?? 0;
  const evaluations = losses?.length ?? (fittedCurve ? 2 : 0);
  const tokens = fittedSteps * rows;
  const projection = projectionFlops(pack.model, pack.projectedNetwork);
  return {
    tokens,
    // Fitting projects forward and backward (to the coefficients) each step.
    flops: evaluations * (comparedTokens * evaluationFlopsPerToken(pack.model, shape.seqLen) + projection) + tokens * trainingFlopsPerToken(pack.model, shape.seqLen) + 2 * fittedSteps * projection,
  };
}
