// The forward pass of the Llama-shaped small model, planned as a list of operations for one shape [B, T]. Activations that the backward pass
// needs are kept per layer, or only each layer's input and the rest computed again when the backward pass comes by (Chen et al., arXiv 1604.06174);
// a plan for evaluation alone lets all layers share one set.
//   x_0 = embedding;  per layer: x += attention(norm(x));  x += mlp(norm(x));  hidden = norm(x)
import type { ModelConfig } from '../config/modelConfig.ts';
import type { BufferScope, BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { settleOps, type Op, type PendingOps } from '../gpu/dispatch.ts';
import { attentionForward, attentionScratchFloats, type AttentionShape } from '../kernels/attention.ts';
import { embeddingForward } from '../kernels/embedding.ts';
import { gemm } from '../kernels/gemm.ts';
import { rmsnormForward } from '../kernels/rmsnorm.ts';
import { ropeForward, ropeTable } from '../kernels/rope.ts';
import { swigluForward } from '../kernels/swiglu.ts';
import type { ArenaViews } from './arenaViews.ts';

/** Windows per batch and tokens per window; N = batchSize * seqLen rows. */
export interface BatchShape {
  readonly batchSize: number;
  readonly seqLen: number;
}

/** Activations of one layer; row counts are N. */
export interface LayerActivations {
  /** [N, C] residual stream at the layer's entrance. */
  readonly input: BufferView;
  readonly inputRstd: BufferView;
  readonly inputNormed: BufferView;
  /** [N, 3C] after rotation. */
  readonly qkv: BufferView;
  readonly attention: BufferView;
  readonly lse: BufferView;
  /** [N, C] residual stream between attention and MLP. */
  readonly middle: BufferView;
  readonly middleRstd: BufferView;
  readonly middleNormed: BufferView;
  /** [N, 2F] */
  readonly gateUp: BufferView;
  /** [N, F] */
  readonly activation: BufferView;
}

/** What of each layer outlives the layer: everything, its input alone, or nothing (then there is no backward pass). */
export type KeptActivations = 'all' | 'inputs' | 'none';

export interface ForwardPlan {
  readonly ops: readonly Op[];
  /** Per layer: what brings its activations back before its backward pass; nothing where they are still there. */
  readonly recomputations: readonly (readonly Op[])[];
  /** u32 [N], written by the caller before the ops run. */
  readonly tokens: BufferView;
  readonly layers: readonly LayerActivations[];
  /** [N, C] residual stream after the last layer. */
  readonly output: BufferView;
  readonly outputRstd: BufferView;
  /** [N, C] what the head reads. */
  readonly hidden: BufferView;
  readonly cosSin: BufferView;
  /** Shared by all layers; where attention wants none, nothing. */
  readonly attentionScratch?: BufferView;
}

function createLayerActivations(config: ModelConfig, scope: BufferScope, rows: number, layer: number | 'shared'): LayerActivations {
  const { hiddenSize: C, intermediateSize: F, numAttentionHeads: NH } = config;
  const floats = (name: string, perRow: number): BufferView => scope.floats(`layer.${layer}.${name}`, rows * perRow);
  return {
    input: createLayerInput(config, scope, rows, layer),
    inputRstd: floats('inputRstd', 1),
    inputNormed: floats('inputNormed', C),
    qkv: floats('qkv', 3 * C),
    attention: floats('attention', C),
    lse: floats('lse', NH),
    middle: floats('middle', C),
    middleRstd: floats('middleRstd', 1),
    middleNormed: floats('middleNormed', C),
    gateUp: floats('gateUp', 2 * F),
    activation: floats('activation', F),
  };
}

function createLayerInput(config: ModelConfig, scope: BufferScope, rows: number, layer: number | 'shared'): BufferView {
  return scope.floats(`layer.${layer}.input`, rows * config.hiddenSize);
}

function createActivations(config: ModelConfig, scope: BufferScope, rows: number, kept: KeptActivations): LayerActivations[] {
  const layers = Array.from({ length: config.numHiddenLayers }, (_, layer) => layer);
  if (kept === 'all') return layers.map((layer) => createLayerActivations(config, scope, rows, layer));
  const shared = createLayerActivations(config, scope, rows, 'shared');
  return layers.map((layer) => (kept === 'none' || layer === 0 ? shared : { ...shared, input: createLayerInput(config, scope, rows, layer) }));
}

/** A buffer for what the chosen attention keeps for a moment, if it does. */
export function createAttentionScratch(gpu: Gpu, shape: AttentionShape, scope: BufferScope, name: string): BufferView | undefined {
  const floats = attentionScratchFloats(gpu, shape);
  return floats > 0 ? scope.floats(name, floats) : undefined;
}

/** Plans the forward pass. */
export async function planForward(
  gpu: Gpu,
  config: ModelConfig,
  { batchSize: B, seqLen: T }: BatchShape,
  weights: ArenaViews,
  scope: BufferScope,
  { kept }: { readonly kept: KeptActivations },
): Promise<ForwardPlan> {
  const { hiddenSize: C, intermediateSize: F, numAttentionHeads: NH, headDim: HS, vocabSize: V, numHiddenLayers: L, rmsNormEps: eps } = config;
  const rows = B * T;
  const norm = { rows, hiddenSize: C, eps };
  const tokens = scope.floats('tokens', rows);
  const cosSin = scope.upload('cosSin', ropeTable(T, HS, config.ropeTheta));
  const layers = createActivations(config, scope, rows, kept);
  // With shared buffers the residual stream needs a second home: a layer's input is the sum of its predecessor's middle and MLP output.
  const branch = scope.floats('branch', rows * C);
  const output = scope.floats('output', rows * C);
  const outputRstd = scope.floats('outputRstd', rows);
  const hidden = scope.floats('hidden', rows * C);
  const heads = { B, T, NH, HS };
  const attentionScratch = createAttentionScratch(gpu, heads, scope, 'scores');
  const multiply = (a: BufferView, b: BufferView, c: BufferView, N: number, K: number): PendingOps =>
    gemm(gpu, { a, b, c }, { form: 'NT', M: rows, N, K, accumulate: false });

  /** From a layer's input and its norm to the MLP's activation. */
  const layerOps = (layer: number): PendingOps[] => {
    const w = weights.layers[layer];
    const a = layers[layer];
    return [
      multiply(a.inputNormed, w.qkv, a.qkv, 3 * C, C),
      ropeForward(gpu, { qkv: a.qkv, cosSin }, { B, T, NH, HS, direction: 1 }),
      attentionForward(gpu, { qkv: a.qkv, out: a.attention, lse: a.lse, scratch: attentionScratch }, heads),
      multiply(a.attention, w.output, branch, C, C),
      rmsnormForward(gpu, { x: a.input, addend: branch, sum: a.middle, weight: w.postAttentionNorm, y: a.middleNormed, rstd: a.middleRstd }, norm),
      multiply(a.middleNormed, w.gateUp, a.gateUp, 2 * F, C),
      swigluForward(gpu, { gateUp: a.gateUp, act: a.activation }, { rows, F }),
    ];
  };
  const inputNorm = (layer: number): PendingOps => {
    const { input, inputNormed, inputRstd } = layers[layer];
    return rmsnormForward(gpu, { x: input, weight: weights.layers[layer].inputNorm, y: inputNormed, rstd: inputRstd }, norm);
  };

  const ops: PendingOps[] = [];
  for (let layer = 0; layer < L; layer++) {
    const w = weights.layers[layer];
    const a = layers[layer];
    if (layer === 0) ops.push(embeddingForward(gpu, { tokens, table: weights.embedding, x: a.input }, { rows, C, V }), inputNorm(0));
    else ops.push(rmsnormForward(gpu, { x: layers[layer - 1].middle, addend: branch, sum: a.input, weight: w.inputNorm, y: a.inputNormed, rstd: a.inputRstd }, norm));
    ops.push(...layerOps(layer), multiply(a.activation, w.down, branch, C, F));
  }
  ops.push(rmsnormForward(gpu, { x: layers[L - 1].middle, addend: branch, sum: output, weight: weights.finalNorm, y: hidden, rstd: outputRstd }, norm));
  // The last layer's activations are still in the shared buffers when the backward pass begins.
  const recomputations = layers.map((_, layer) => (kept === 'inputs' && layer < L - 1 ? settleOps([inputNorm(layer), ...layerOps(layer)]) : []));
  return { ops: await settleOps(ops), recomputations: await Promise.all(recomputations), tokens, layers, output, outputRstd, hidden, cosSin, attentionScratch };
}
