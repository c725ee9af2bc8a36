// What training costs, counted as the paper's field does: a multiplication and an addition are two operations, training is three forward passes.
// pretrain/model/flops.py counts alike.
import { MLP_PROJECTIONS, mlpShape, type ModelConfig, type ProjectedNetworkConfig } from './modelConfig.ts';

const mlpElements = (model: ModelConfig): number =>
  MLP_PROJECTIONS.reduce((sum, projection) => sum + mlpShape(model, projection)[0] * mlpShape(model, projection)[1], 0);

/** Operations per training token: 6 per matrix parameter (the head counts, the embedding's lookup does not) and 12 L C T / 2 of causal attention. */
export function trainingFlopsPerToken(model: ModelConfig, seqLen: number): number {
  const { hiddenSize: C, numHiddenLayers: L, numAttentionHeads: NH, headDim: HS, vocabSize: V } = model;
  const matrices = V * C + L * (4 * C * NH * HS + mlpElements(model));
  return 6 * matrices + (12 * L * NH * HS * seqLen) / 2;
}

/** Operations of evaluating a token: the forward pass alone. */
export const evaluationFlopsPerToken = (model: ModelConfig, seqLen: number): number => trainingFlopsPerToken(model, seqLen) / 3;

/** Operations of projecting one expert vector forward: every slice of every MLP matrix, multiplied and added. */
export const projectionFlops = (model: ModelConfig, { h }: ProjectedNetworkConfig): number => 2 * h * model.numHiddenLayers * mlpElements(model);
