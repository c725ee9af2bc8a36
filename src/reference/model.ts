// CPU twin of the whole small model: a Llama with a tied head, composed from the twins beside it, forward beside backward. Weights carry Hugging
// Face Llama names; q, k, v and gate, up are fused by stacking their rows, as the GPU does. N = B*T rows, A = NH*HS is the
// attention's width, C the residual stream's.
import { attentionBackward, attentionForward } from './attention.ts';
import { crossEntropyBackward, crossEntropyForward, IGNORED_TARGET } from './crossEntropy.ts';
import { embeddingBackward, embeddingForward } from './embedding.ts';
import { matmul } from './matmul.ts';
import { rmsnormBackward, rmsnormForward } from './rmsnorm.ts';
import { ropeBackward, ropeForward } from './rope.ts';
import { swigluBackward, swigluForward } from './swiglu.ts';

/** The part of a model's configuration that its arithmetic needs (config/modelConfig.ts fits). */
export interface ReferenceConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly headDim: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
}

export interface BatchShape {
  readonly B: number;
  readonly T: number;
}

/** Tensor name (Hugging Face Llama) to values, row-major; a linear layer's weight is [out, in]. */
export type ReferenceWeights = ReadonlyMap<string, ArrayLike<number>>;

/** What a layer's backward needs from its forward, in the order it is computed. */
export interface LayerActivations {
  /** [N, C]: the residual stream entering the layer. */
  readonly x: Float64Array;
  /** [N, C] and [N]. */
  readonly attentionNorm: Float64Array;
  readonly attentionRstd: Float64Array;
  /** [N, 3A], q and k already rotated. */
  readonly qkv: Float64Array;
  /** [N, A] and [B, NH, T]. */
  readonly attentionOut: Float64Array;
  readonly lse: Float64Array;
  /** [N, C]: the residual stream between attention and MLP. */
  readonly xMiddle: Float64Array;
  /** [N, C] and [N]. */
  readonly mlpNorm: Float64Array;
  readonly mlpRstd: Float64Array;
  /** [N, 2F]. */
  readonly gateUp: Float64Array;
  /** [N, F]. */
  readonly act: Float64Array;
}

export interface ModelActivations {
  readonly layers: readonly LayerActivations[];
  /** [N, C]: the residual stream after the last layer. */
  readonly x: Float64Array;
  /** [N, C] and [N]: input of the head. */
  readonly finalNorm: Float64Array;
  readonly finalRstd: Float64Array;
}

const EMBEDDING = 'model.embed_tokens.weight';
const FINAL_NORM = 'model.norm.weight';

/**
 * tokens [B*T] -> logits [B*T, V] and what the backward needs.
 * @throws Error naming a missing weight
 */
export function modelForward(
  config: ReferenceConfig,
  weights: ReferenceWeights,
  tokens: ArrayLike<number>,
  { B, T }: BatchShape,
): { logits: Float64Array; activations: ModelActivations } {
  const { hiddenSize: C, vocabSize: V, rmsNormEps: eps } = config;
  const N = B * T;
  const embedding = weightOf(weights, EMBEDDING);
  let x = embeddingForward(tokens, embedding, { C });
  const layers: LayerActivations[] = [];
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    const { activations, output } = layerForward(config, weights, layer, x, { B, T });
    layers.push(activations);
    x = output;
  }
  const { y: finalNorm, rstd: finalRstd } = rmsnormForward(x, weightOf(weights, FINAL_NORM), { rows: N, C, eps });
  const logits = matmul('NT', finalNorm, embedding, { M: N, N: V, K: C });
  return { logits, activations: { layers, x, finalNorm, finalRstd } };
}

/**
 * tokens, targets [B*T] -> mean loss in nats over the targets that are not ignored, each position's loss, logits [B*T, V] and the gradient
 * of the mean with respect to every weight, by the weight's name. The tied embedding collects its gradient as table and as head.
 * @throws Error when every target is ignored, or naming a missing weight
 */
export function modelLossAndGradients(
  config: ReferenceConfig,
  weights: ReferenceWeights,
  tokens: ArrayLike<number>,
  targets: ArrayLike<number>,
  { B, T }: BatchShape,
): { loss: number; losses: Float64Array; logits: Float64Array; gradients: Map<string, Float64Array> } {
  const { hiddenSize: C, vocabSize: V } = config;
  const N = B * T;
  const { logits, activations } = modelForward(config, weights, tokens, { B, T });
  const losses = crossEntropyForward(logits, targets, { rows: N, V });
  let numTargets = 0;
  for (let row = 0; row < N; row++) if (targets[row] !== IGNORED_TARGET) numTargets++;
  if (numTargets === 0) throw new Error('reference model: every target is ignored, so there is no loss to take the mean of');
  const loss = losses.reduce((sum, value) => sum + value, 0) / numTargets;

  const gradients = new Map<string, Float64Array>();
  const dLogits = crossEntropyBackward(logits, targets, 1 / numTargets, { rows: N, V });
  const dHead = matmul('TN', dLogits, activations.finalNorm, { M: V, N: C, K: N });
  const dFinalNorm = matmul('NN', dLogits, weightOf(weights, EMBEDDING), { M: N, N: C, K: V });
  const final = rmsnormBackward(dFinalNorm, activations.x, weightOf(weights, FINAL_NORM), activations.finalRstd, { rows: N, C });
  gradients.set(FINAL_NORM, final.dWeight);
  let dx = final.dx;
  for (let layer = config.numHiddenLayers - 1; layer >= 0; layer--) {
    dx = layerBackward(config, weights, layer, dx, activations.layers[layer], gradients, { B, T });
  }
  gradients.set(EMBEDDING, add(dHead, embeddingBackward(tokens, dx, { V, C })));
  return { loss, losses, logits, gradients };
}

/** x [N, C] -> the residual stream after layer `layer` [N, C] and the layer's activations. */
function layerForward(
  config: ReferenceConfig,
  weights: ReferenceWeights,
  layer: number,
  x: Float64Array,
  { B, T }: BatchShape,
): { activations: LayerActivations; output: Float64Array } {
  const { hiddenSize: C, intermediateSize: F, numAttentionHeads: NH, headDim: HS, rmsNormEps: eps, ropeTheta: theta } = config;
  const N = B * T;
  const A = NH * HS;
  const part = layerParts(weights, layer);
  const { y: attentionNorm, rstd: attentionRstd } = rmsnormForward(x, part.inputNorm, { rows: N, C, eps });
  const qkv = ropeForward(matmul('NT', attentionNorm, part.qkv, { M: N, N: 3 * A, K: C }), { B, T, NH, HS, theta });
  const { out: attentionOut, lse } = attentionForward(qkv, { B, T, NH, HS });
  const xMiddle = add(x, matmul('NT', attentionOut, part.o, { M: N, N: C, K: A }));
  const { y: mlpNorm, rstd: mlpRstd } = rmsnormForward(xMiddle, part.mlpNorm, { rows: N, C, eps });
  const gateUp = matmul('NT', mlpNorm, part.gateUp, { M: N, N: 2 * F, K: C });
  const act = swigluForward(gateUp, { rows: N, F });
  const output = add(xMiddle, matmul('NT', act, part.down, { M: N, N: C, K: F }));
  return {
    activations: { x, attentionNorm, attentionRstd, qkv, attentionOut, lse, xMiddle, mlpNorm, mlpRstd, gateUp, act },
    output,
  };
}

/** dOutput [N, C] of layer `layer` -> dx [N, C]; the layer's weight gradients are put into `gradients`. */
function layerBackward(
  config: ReferenceConfig,
  weights: ReferenceWeights,
  layer: number,
  dOutput: Float64Array,
  saved: LayerActivations,
  gradients: Map<string, Float64Array>,
  { B, T }: BatchShape,
): Float64Array {
  const { hiddenSize: C, intermediateSize: F, numAttentionHeads: NH, headDim: HS, ropeTheta: theta } = config;
  const N = B * T;
  const A = NH * HS;
  const part = layerParts(weights, layer);
  const put = (name: string, gradient: Float64Array): void => void gradients.set(`model.layers.${layer}.${name}.weight`, gradient);

  put('mlp.down_proj', matmul('TN', dOutput, saved.act, { M: C, N: F, K: N }));
  const dAct = matmul('NN', dOutput, part.down, { M: N, N: F, K: C });
  const dGateUp = swigluBackward(dAct, saved.gateUp, { rows: N, F });
  const dGateUpWeight = matmul('TN', dGateUp, saved.mlpNorm, { M: 2 * F, N: C, K: N });
  put('mlp.gate_proj', dGateUpWeight.slice(0, F * C));
  put('mlp.up_proj', dGateUpWeight.slice(F * C));
  const dMlpNorm = matmul('NN', dGateUp, part.gateUp, { M: N, N: C, K: 2 * F });
  const mlpNorm = rmsnormBackward(dMlpNorm, saved.xMiddle, part.mlpNorm, saved.mlpRstd, { rows: N, C });
  put('post_attention_layernorm', mlpNorm.dWeight);
  const dxMiddle = add(dOutput, mlpNorm.dx);

  put('self_attn.o_proj', matmul('TN', dxMiddle, saved.attentionOut, { M: C, N: A, K: N }));
  const dAttentionOut = matmul('NN', dxMiddle, part.o, { M: N, N: A, K: C });
  const dQkv = ropeBackward(attentionBackward(dAttentionOut, saved.qkv, { B, T, NH, HS }), { B, T, NH, HS, theta });
  const dQkvWeight = matmul('TN', dQkv, saved.attentionNorm, { M: 3 * A, N: C, K: N });
  put('self_attn.q_proj', dQkvWeight.slice(0, A * C));
  put('self_attn.k_proj', dQkvWeight.slice(A * C, 2 * A * C));
  put('self_attn.v_proj', dQkvWeight.slice(2 * A * C));
  const dAttentionNorm = matmul('NN', dQkv, part.qkv, { M: N, N: C, K: 3 * A });
  const inputNorm = rmsnormBackward(dAttentionNorm, saved.x, part.inputNorm, saved.attentionRstd, { rows: N, C });
  put('input_layernorm', inputNorm.dWeight);
  return add(dxMiddle, inputNorm.dx);
}

/** Layer `layer`'s weights, q, k, v fused to [3A, C] and gate, up to [2F, C]. */
function layerParts(weights: ReferenceWeights, layer: number) {
  const part = (name: string): ArrayLike<number> => weightOf(weights, `model.layers.${layer}.${name}.weight`);
  return {
    inputNorm: part('input_layernorm'),
    qkv: stack(part('self_attn.q_proj'), part('self_attn.k_proj'), part('self_attn.v_proj')),
    o: part('self_attn.o_proj'),
    mlpNorm: part('post_attention_layernorm'),
    gateUp: stack(part('mlp.gate_proj'), part('mlp.up_proj')),
    down: part('mlp.down_proj'),
  };
}

function weightOf(weights: ReferenceWeights, name: string): ArrayLike<number> {
  const weight = weights.get(name);
  if (!weight) throw new Error(`reference model: no weight named ${name}`);
  return weight;
}

function stack(...blocks: ArrayLike<number>[]): Float64Array {
  const stacked = new Float64Array(blocks.reduce((length, block) => length + block.length, 0));
  let offset = 0;
  for (const block of blocks) {
    stacked.set(block, offset);
    offset += block.length;
  }
  return stacked;
}

function add(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + b[i]);
}
