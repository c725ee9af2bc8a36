// The forward pass of the Llama-shaped small model, planned as a list of operations for one shape [B, T]. Activations that the backward pass
// needs are kept per layer, or only each layer's input and the rest computed again when the backward pass comes by (Chen et al., arXiv 1604.06174);
// a plan for evaluation alone lets all layers share one set. What only products and kernels beside them read may be stored as halves; the residual stream and what a norm or
// a softmax divides by stay f32.
//   x_0 = embedding;  per layer: x += attention(norm(x));  x += mlp(norm(x));  hidden = norm(x)
import type { ModelConfig } from '../config/modelConfig.ts';
import type { BufferScope, BufferView, Storage } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { settleOps, type Op, type PendingOps } from '../gpu/dispatch.ts';
import { attentionForward, attentionScratchFloats, chosenAttentionVariant, type AttentionShape } from '../kernels/attention.ts';
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

/** Activations of one layer that may be stored as halves; row counts are N. */
interface StoredActivations {
  readonly inputNormed: BufferView;
  /** [N, 3C] after rotation. */
  readonly qkv: BufferView;
  readonly attention: BufferView;
  readonly middleNormed: BufferView;
  /** [N, 2F] */
  readonly gateUp: BufferView;
  /** [N, F] */
  readonly activation: BufferView;
}

/** Activations of one layer. */
export interface LayerActivations extends StoredActivations {
  /** [N, C] residual stream at the layer's entrance. */
  readonly input: BufferView;
  readonly inputRstd: BufferView;
  readonly lse: BufferView;
  /** [N, C] residual stream between attention and MLP. */
  readonly middle: BufferView;
  readonly middleRstd: BufferView;
}

/** What of each layer outlives the layer: everything, its input alone, or nothing (then there is no backward pass). */
export type KeptActivations = 'all' | 'inputs' | 'none';

/** What a forward pass writes. */
export interface ForwardBuffers {
  /** u32 [N], written by the caller before the ops run. */
  readonly tokens: BufferView;
  readonly cosSin: BufferView;
  readonly layers: readonly LayerActivations[];
  /** [N, C] what attention or MLP adds to the residual stream. */
  readonly branch: BufferView;
  /** [N, C] residual stream after the last layer. */
  readonly output: BufferView;
  readonly outputRstd: BufferView;
  /** [N, C] what the head reads; may be stored as halves. */
  readonly hidden: BufferView;
  /** Shared by all layers; where attention wants none, nothing. */
  readonly attentionScratch?: BufferView;
}

export interface ForwardPlan extends ForwardBuffers {
  readonly ops: readonly Op[];
  /** Per layer: what brings its activations back before its backward pass; nothing where they are still there. */
  readonly recomputations: readonly (readonly Op[])[];
}

function createStoredActivations({ hiddenSize: C, intermediateSize: F }: ModelConfig, scope: BufferScope, rows: number, owner: string, storage: Storage): StoredActivations {
  const numbers = (name: string, perRow: number): BufferView => scope.numbers(`${owner}.${name}`, rows * perRow, storage);
  return {
    inputNormed: numbers('inputNormed', C), qkv: numbers('qkv', 3 * C), attention: numbers('attention', C), middleNormed: numbers('middleNormed', C), gateUp: numbers('gateUp', 2 * F),
    activation: numbers('activation', F),
  };
}

function createLayerActivations(config: ModelConfig, scope: BufferScope, rows: number, layer: number | 'shared', storage: Storage): LayerActivations {
  const { hiddenSize: C, numAttentionHeads: NH } = config;
  const owner = `layer.${layer}`;
  const floats = (name: string, perRow: number): BufferView => scope.floats(`${owner}.${name}`, rows * perRow);
  return {
    input: floats('input', C),
    inputRstd: floats('inputRstd', 1),
    lse: floats('lse', NH),
    middle: floats('middle', C),
    middleRstd: floats('middleRstd', 1),
    ...createStoredActivations(config, scope, rows, owner, storage),
  };
}

function createActivations(config: ModelConfig, scope: BufferScope, rows: number, kept: KeptActivations, storage: Storage): LayerActivations[] {
  const layers = Array.from({ length: config.numHiddenLayers }, (_, layer) => layer);
  if (kept === 'all') return layers.map((layer) => createLayerActivations(config, scope, rows, layer, storage));
  const shared = createLayerActivations(config, scope, rows, 'shared', storage);
  return layers.map((layer) => (kept === 'none' || layer === 0 ? shared : { ...shared, input: scope.floats(`layer.${layer}.input`, rows * config.hiddenSize) }));
}

/** A buffer for what the chosen attention keeps for a moment, if it does. */
export function createAttentionScratch(gpu: Gpu, shape: AttentionShape, scope: BufferScope, name: string, storage: Storage): BufferView | undefined {
  const floats = attentionScratchFloats(gpu, shape, chosenAttentionVariant(gpu, shape, storage));
  return floats > 0 ? scope.floats(name, floats) : undefined;
}

export const attentionShape = ({ numAttentionHeads: NH, headDim: HS }: ModelConfig, { batchSize: B, seqLen: T }: BatchShape): AttentionShape => ({ B, T, NH, HS });

export function createForwardBuffers(
  gpu: Gpu, config: ModelConfig, shape: BatchShape, scope: BufferScope, { kept, storage }: { readonly kept: KeptActivations; readonly storage: Storage },
): ForwardBuffers {
  const { hiddenSize: C, headDim: HS, ropeTheta } = config;
  const rows = shape.batchSize * shape.seqLen;
  return {
    tokens: scope.floats('tokens', rows),
    cosSin: scope.upload('cosSin', ropeTable(shape.seqLen, HS, ropeTheta)),
    layers: createActivations(config, scope, rows, kept, storage),
    // With shared buffers the residual stream needs a second home: a layer's input is the sum of its predecessor's middle and MLP output.
    branch: scope.floats('branch', rows * C),
    output: scope.floats('output', rows * C),
    outputRstd: scope.floats('outputRstd', rows),
    hidden: scope.numbers('hidden', rows * C, storage),
    attentionScratch: createAttentionScratch(gpu, attentionShape(config, shape), scope, 'scores', storage),
  };
}

/** What evaluation in f32 takes beside the buffers of training in halves: the two never run at once, so it writes over all that is f32 there, and layers share one set. */
export function evaluationBuffers(gpu: Gpu, config: ModelConfig, shape: BatchShape, training: ForwardBuffers, scope: BufferScope): ForwardBuffers {
  const rows = shape.batchSize * shape.seqLen;
  const shared = { ...training.layers[0], ...createStoredActivations(config, scope, rows, 'evaluation', 'f32') };
  return {
    ...training, layers: training.layers.map(() => shared), hidden: scope.floats('evaluation.hidden', rows * config.hiddenSize),
    attentionScratch: createAttentionScratch(gpu, attentionShape(config, shape), scope, 'evaluation.scores', 'f32'),
  };
}

export interface ForwardOptions {
  readonly kept: KeptActivations;
  /** What else becomes of a layer's rotated queries, keys and values [N, 3C], before the next layer may write over them. */
  readonly keep?: (layer: number, qkv: BufferView) => PendingOps;
}

/** Plans the forward pass. `table`: the embedding that tokens are looked up in, always f32; `weights`: what norms and products read. */
export async function planForward(
  gpu: Gpu,
  config: ModelConfig,
  shape: BatchShape,
  { table, weights }: { readonly table: BufferView; readonly weights: ArenaViews },
  buffers: ForwardBuffers,
  { kept, keep }: ForwardOptions,
): Promise<ForwardPlan> {
  const { hiddenSize: C, intermediateSize: F, vocabSize: V, numHiddenLayers: L, rmsNormEps: eps } = config;
  const heads = attentionShape(config, shape);
  const rows = heads.B * heads.T;
  const norm = { rows, hiddenSize: C, eps };
  const { tokens, cosSin, layers, branch, output, outputRstd, hidden, attentionScratch } = buffers;
  const multiply = (a: BufferView, b: BufferView, c: BufferView, N: number, K: number): PendingOps =>
    gemm(gpu, { a, b, c }, { form: 'NT', M: rows, N, K, accumulate: false });

  /** From a layer's input and its norm to the MLP's activation. */
  const layerOps = (layer: number): PendingOps[] => {
    const w = weights.layers[layer];
    const a = layers[layer];
    return [
      multiply(a.inputNormed, w.qkv, a.qkv, 3 * C, C),
      ropeForward(gpu, { qkv: a.qkv, cosSin }, { ...heads, direction: 1 }),
      ...(keep ? [keep(layer, a.qkv)] : []),
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
    if (layer === 0) ops.push(embeddingForward(gpu, { tokens, table, x: a.input }, { rows, C, V }), inputNorm(0));
    else ops.push(rmsnormForward(gpu, { x: layers[layer - 1].middle, addend: branch, sum: a.input, weight: w.inputNorm, y: a.inputNormed, rstd: a.inputRstd }, norm));
    ops.push(...layerOps(layer), multiply(a.activation, w.down, branch, C, F));
  }
  ops.push(rmsnormForward(gpu, { x: layers[L - 1].middle, addend: branch, sum: output, weight: weights.finalNorm, y: hidden, rstd: outputRstd }, norm));
  // The last layer's activations are still in the shared buffers when the backward pass begins.
  const recomputations = layers.map((_, layer) => (kept === 'inputs' && layer < L - 1 ? settleOps([inputNorm(layer), ...layerOps(layer)]) : []));
  return { ...buffers, ops: await settleOps(ops), recomputations: await Promise.all(recomputations) };
}
