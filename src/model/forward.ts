// The forward pass of the Llama-shaped small model, planned as a list of operations for one shape [B, T]. Activations that the backward pass
// needs are kept per layer; a plan for evaluation alone lets all layers share one set.
//   x_0 = embedding;  per layer: x += attention(norm(x));  x += mlp(norm(x));  hidden = norm(x)
import type { ModelConfig } from '../config/modelConfig.ts';
import type { BufferScope, BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { settleOps, type Op, type PendingOps } from '../gpu/dispatch.ts';
import { attentionForward } from '../kernels/attention.ts';
import { embeddingForward } from '../kernels/embedding.ts';
import { gemm } from '../kernels/gemm.ts';
import { rmsnormForward } from '../kernels/rmsnorm.ts';
import { ropeForward, ropeTable } from '../kernels/rope.ts';
import { swigluForward } from '../kernels/swiglu.ts';
import type { ArenaViews } from './parameters.ts';

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

export interface ForwardPlan {
  readonly ops: readonly Op[];
  /** u32 [N], written by the caller before the ops run. */
  readonly tokens: BufferView;
  readonly layers: readonly LayerActivations[];
  /** [N, C] residual stream after the last layer. */
  readonly output: BufferView;
  readonly outputRstd: BufferView;
  /** [N, C] what the head reads. */
  readonly hidden: BufferView;
  readonly cosSin: BufferView;
}

function createLayerActivations(config: ModelConfig, scope: BufferScope, rows: number, layer: number | 'shared'): LayerActivations {
  const { hiddenSize: C, intermediateSize: F, numAttentionHeads: NH } = config;
  const floats = (name: string, perRow: number): BufferView => scope.floats(`layer.${layer}.${name}`, rows * perRow);
  return {
    input: floats('input', C),
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

/**
 * Plans the forward pass. `keepActivations` gives every layer its own buffers (needed by the backward pass).
 */
export async function planForward(
  gpu: Gpu,
  config: ModelConfig,
  { batchSize: B, seqLen: T }: BatchShape,
  weights: ArenaViews,
  scope: BufferScope,
  { keepActivations }: { readonly keepActivations: boolean },
): Promise<ForwardPlan> {
  const { hiddenSize: C, intermediateSize: F, numAttentionHeads: NH, headDim: HS, vocabSize: V, numHiddenLayers: L, rmsNormEps: eps } = config;
  const rows = B * T;
  const norm = { rows, hiddenSize: C, eps };
  const tokens = scope.floats('tokens', rows);
  const cosSin = scope.upload('cosSin', ropeTable(T, HS, config.ropeTheta));
  const shared = keepActivations ? undefined : createLayerActivations(config, scope, rows, 'shared');
  const layers = Array.from({ length: L }, (_, layer) => shared ?? createLayerActivations(config, scope, rows, layer));
  // With shared buffers the residual stream needs a second home: a layer's input is the sum of its predecessor's middle and MLP output.
  const branch = scope.floats('branch', rows * C);
  const output = scope.floats('output', rows * C);
  const outputRstd = scope.floats('outputRstd', rows);
  const hidden = scope.floats('hidden', rows * C);
  const multiply = (a: BufferView, b: BufferView, c: BufferView, N: number, K: number): PendingOps =>
    gemm(gpu, { a, b, c }, { form: 'NT', M: rows, N, K, accumulate: false });

  const ops: PendingOps[] = [];
  for (let layer = 0; layer < L; layer++) {
    const w = weights.layers[layer];
    const a = layers[layer];
    if (layer === 0) {
      ops.push(embeddingForward(gpu, { tokens, table: weights.embedding, x: a.input }, { rows, C, V }));
      ops.push(rmsnormForward(gpu, { x: a.input, weight: w.inputNorm, y: a.inputNormed, rstd: a.inputRstd }, norm));
    } else {
      ops.push(rmsnormForward(gpu, { x: layers[layer - 1].middle, addend: branch, sum: a.input, weight: w.inputNorm, y: a.inputNormed, rstd: a.inputRstd }, norm));
    }
    ops.push(multiply(a.inputNormed, w.qkv, a.qkv, 3 * C, C));
    ops.push(ropeForward(gpu, { qkv: a.qkv, cosSin }, { B, T, NH, HS, direction: 1 }));
    ops.push(attentionForward(gpu, { qkv: a.qkv, out: a.attention, lse: a.lse }, { B, T, NH, HS }));
    ops.push(multiply(a.attention, w.output, branch, C, C));
    ops.push(rmsnormForward(gpu, { x: a.input, addend: branch, sum: a.middle, weight: w.postAttentionNorm, y: a.middleNormed, rstd: a.middleRstd }, norm));
    ops.push(multiply(a.middleNormed, w.gateUp, a.gateUp, 2 * F, C));
    ops.push(swigluForward(gpu, { gateUp: a.gateUp, act: a.activation }, { rows, F }));
    ops.push(multiply(a.activation, w.down, branch, C, F));
  }
  ops.push(rmsnormForward(gpu, { x: layers[L - 1].middle, addend: branch, sum: output, weight: weights.finalNorm, y: hidden, rstd: outputRstd }, norm));
  return { ops: await settleOps(ops), tokens, layers, output, outputRstd, hidden, cosSin };
}
