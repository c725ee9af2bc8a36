import { expect, it } from 'vitest';
import type { ModelConfig } from './modelConfig.ts';
import { evaluationFlopsPerToken, projectionFlops, trainingFlopsPerToken } from './trainingFlops.ts';

/** pretrain/configs/paper.yaml's small model; CLUSTER.md has the arithmetic. */
const PAPER: ModelConfig = { vocabSize: 32_000, hiddenSize: 1024, intermediateSize: 4096, numHiddenLayers: 7, numAttentionHeads: 8, headDim: 128, maxPositionEmbeddings: 1024, rmsNormEps: 1e-5, ropeTheta: 1e4 };

it('counts as pretraining does', () => {
  expect(trainingFlopsPerToken(PAPER, 1024)).toBe(945_291_264);
  expect(evaluationFlopsPerToken(PAPER, 1024)).toBe(315_097_088);
  // Forward, gradient of T and gradient of the coefficients: three times the forward projection.
  expect(3 * projectionFlops(PAPER, { h: 16, k: 32, m: 32 })).toBe(8_455_716_864);
});
