// The shapes of the paper's own experiments (https://arxiv.org/abs/2402.01093, section 4): a small model of 7 layers, width 1,024, MLP 4,096, 8 heads, vocabulary 32k, context 1,024. Our
// MLP is gated, of three matrices, so the same shape has 150M parameters here and not 126M. Plain values that fit ModelConfig and ProjectedNetworkConfig.

export const PAPER_SMALL_MODEL = {
  vocabSize: 32_000, hiddenSize: 1024, intermediateSize: 4096, numHiddenLayers: 7, numAttentionHeads: 8, headDim: 128, maxPositionEmbeddings: 1024, rmsNormEps: 1e-5, ropeTheta: 1e4,
};

/** Its projected network with 32 experts: theirs has 1.42B parameters, this one 1.47B, of which 1.41B are slices: 2.8 GB in float16. */
export const PAPER_NETWORK = { h: 16, k: 32, m: 16 };
