// What choosing an expert costs: evaluations of the text that experts are compared on, gradient steps on the vector, and projections.
import { evaluationFlopsPerToken, projectionFlops, trainingFlopsPerToken } from '../config/trainingFlops.ts';
import type { Pack } from '../pack/openPack.ts';
import type { ChosenExpert } from './expertChoice.ts';

export interface ChoiceSizes {
  /** Tokens of a window. */
  readonly seqLen: number;
  /** Tokens that every expert's loss was computed on. */
  readonly comparedTokens: number;
  readonly tokensPerFittingStep: number;
}

export function choiceCost({ model, projectedNetwork }: Pack, { losses, fittedCurve }: ChosenExpert, { seqLen, comparedTokens, tokensPerFittingStep }: ChoiceSizes): { tokens: number; flops: number } {
  const fittedSteps = fittedCurve?.length ?? 0;
  const evaluations = losses?.length ?? (fittedCurve ? 2 : 0);
  const tokens = fittedSteps * tokensPerFittingStep;
  const projection = projectionFlops(model, projectedNetwork);
  return {
    tokens,
    // Fitting projects forward and backward (to the coefficients) each step.
    flops: evaluations * (comparedTokens * evaluationFlopsPerToken(model, seqLen) + projection) + tokens * trainingFlopsPerToken(model, seqLen) + 2 * fittedSteps * projection,
  };
}
