// The small model's shape: a Llama with a tied head. Keys are Hugging Face's, camelCased.

export interface ModelConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly headDim: number;
  readonly maxPositionEmbeddings: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
}

/** Numbers of a projected network: h slices per layer, k experts (= clusters), m numbers per expert vector. */
export interface ProjectedNetworkConfig {
  readonly h: number;
  readonly k: number;
  readonly m: number;
}

/** Tensor names of layer N's weights (Llama naming). */
export const layerWeight = (layer: number, part: string): string => `model.layers.${layer}.${part}`;

export const EMBEDDING_WEIGHT = 'model.embed_tokens.weight';
export const FINAL_NORM_WEIGHT = 'model.norm.weight';
export const MLP_PROJECTIONS = ['gate_proj', 'up_proj', 'down_proj'] as const;
export type MlpProjection = (typeof MLP_PROJECTIONS)[number];

export interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** Matrices take weight decay, norms do not. */
  readonly decays: boolean;
}

/** [out, in] of an MLP matrix. */
export function mlpShape(config: ModelConfig, projection: MlpProjection): readonly [number, number] {
  return projection === 'down_proj'
    ? [config.hiddenSize, config.intermediateSize]
    : [config.intermediateSize, config.hiddenSize];
}

/**
 * Every weight of the small model with its shape, matrices first, norms last. q, k, v of a layer are neighbours, and so are gate and
 * up, so that one matmul can read each group as a single [sum of outs, in] matrix.
 */
export function modelWeights(config: ModelConfig): WeightSpec[] {
  const { hiddenSize: C, numAttentionHeads: NH, headDim: HS, vocabSize: V, numHiddenLayers: L } = config;
  const matrices: WeightSpec[] = [{ name: EMBEDDING_WEIGHT, shape: [V, C], decays: true }];
  const norms: WeightSpec[] = [];
  for (let layer = 0; layer < L; layer++) {
    for (const part of ['q', 'k', 'v']) {
      matrices.push({ name: layerWeight(layer, `self_attn.${part}_proj.weight`), shape: [NH * HS, C], decays: true });
    }
    matrices.push({ name: layerWeight(layer, 'self_attn.o_proj.weight'), shape: [C, NH * HS], decays: true });
    for (const projection of MLP_PROJECTIONS) {
      matrices.push({ name: layerWeight(layer, `mlp.${projection}.weight`), shape: mlpShape(config, projection), decays: true });
    }
    norms.push({ name: layerWeight(layer, 'input_layernorm.weight'), shape: [C], decays: false });
    norms.push({ name: layerWeight(layer, 'post_attention_layernorm.weight'), shape: [C], decays: false });
  }
  norms.push({ name: FINAL_NORM_WEIGHT, shape: [C], decays: false });
  return [...matrices, ...norms];
}

/** Number of parameters of the small model (tied head counted once). */
export function numParameters(config: ModelConfig): number {
  return modelWeights(config).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

/** Number of parameters of the projected network: shared weights, E, and M and T of every MLP matrix. */
export function numProjectedNetworkParameters(config: ModelConfig, { h, k, m }: ProjectedNetworkConfig): number {
  let mlp = 0;
  for (const projection of MLP_PROJECTIONS) {
    const [out, inner] = mlpShape(config, projection);
    mlp += out * inner;
  }
  const perLayer = mlp * h + MLP_PROJECTIONS.length * m * h;
  return numParameters(config) - config.numHiddenLayers * mlp + config.numHiddenLayers * perLayer + k * m;
}
