// The backward pass, from dHidden (left by the head) to the gradients of every weight. Parameter gradients accumulate (+=), activations'
// gradients are assigned, the residual stream's gradient dx accumulates through the layers. Activations' gradients but dx are stored as the activations are.
import type { ModelConfig } from '../config/modelConfig.ts';
import type { BufferScope, BufferView, Storage } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { settleOps, type Op, type PendingOps } from '../gpu/dispatch.ts';
import { attentionBackward } from '../kernels/attention.ts';
import { embeddingBackward, sortedStartsLength } from '../kernels/embedding.ts';
import { gemm } from '../kernels/gemm.ts';
import { rmsnormBackward, rmsnormPartialsFloats } from '../kernels/rmsnorm.ts';
import { ropeForward } from '../kernels/rope.ts';
import { swigluBackward } from '../kernels/swiglu.ts';
import { createAttentionScratch, type BatchShape, type ForwardPlan } from './forward.ts';
import type { ArenaViews } from './arenaViews.ts';

export interface BackwardPlan {
  readonly ops: readonly Op[];
  /** The rows sorted by token (see sortRowsByToken), written by the caller before the ops run. */
  readonly order: BufferView;
  readonly starts: BufferView;
}

/** `dHidden` [N, C]: what the head left, stored as `storage` says. */
export async function planBackward(
  gpu: Gpu,
  config: ModelConfig,
  { batchSize: B, seqLen: T }: BatchShape,
  forward: ForwardPlan,
  weights: ArenaViews,
  gradients: ArenaViews,
  dHidden: BufferView,
  scope: BufferScope,
  storage: Storage,
): Promise<BackwardPlan> {
  const { hiddenSize: C, intermediateSize: F, numAttentionHeads: NH, headDim: HS, vocabSize: V, numHiddenLayers: L } = config;
  const rows = B * T;
  const dx = scope.floats('dx', rows * C);
  const dBranch = scope.numbers('dBranch', rows * C, storage);
  const dAct = scope.numbers('dAct', rows * F, storage);
  const dGateUp = scope.numbers('dGateUp', rows * 2 * F, storage);
  const dQkv = scope.numbers('dQkv', rows * 3 * C, storage);
  const delta = scope.floats('delta', rows * NH);
  const heads = { B, T, NH, HS };
  const gradientScratch = createAttentionScratch(gpu, heads, scope, 'dScores', storage);
  const partials = scope.floats('normPartials', rmsnormPartialsFloats({ rows, hiddenSize: C }));
  const order = scope.floats('order', rows);
  const starts = scope.floats('starts', sortedStartsLength(rows));

  const ops: PendingOps[] = [];
  /** dInput = dOutput . W and dW += dOutput^T . input, for W [out, in]. */
  const linearBackward = (dOutput: BufferView, input: BufferView, weight: BufferView, dWeight: BufferView, dInput: BufferView, out: number, inner: number): void => {
    ops.push(gemm(gpu, { a: dOutput, b: weight, c: dInput }, { form: 'NN', M: rows, N: inner, K: out, accumulate: false }));
    ops.push(gemm(gpu, { a: dOutput, b: input, c: dWeight }, { form: 'TN', M: out, N: inner, K: rows, accumulate: true }));
  };
  const normBackward = (dy: BufferView, x: BufferView, rstd: BufferView, weight: BufferView, dWeight: BufferView, accumulateDx: boolean): void => {
    ops.push(rmsnormBackward(gpu, { dy, x, weight, rstd, dx, dWeight, partials }, { rows, hiddenSize: C, accumulateDx }));
  };

  normBackward(dHidden, forward.output, forward.outputRstd, weights.finalNorm, gradients.finalNorm, false);
  for (let layer = L - 1; layer >= 0; layer--) {
    const a = forward.layers[layer];
    const w = weights.layers[layer];
    const g = gradients.layers[layer];
    ops.push(Promise.resolve(forward.recomputations[layer]));
    linearBackward(dx, a.activation, w.down, g.down, dAct, C, F);
    ops.push(swigluBackward(gpu, { gateUp: a.gateUp, dAct, dGateUp }, { rows, F }));
    linearBackward(dGateUp, a.middleNormed, w.gateUp, g.gateUp, dBranch, 2 * F, C);
    normBackward(dBranch, a.middle, a.middleRstd, w.postAttentionNorm, g.postAttentionNorm, true);

    linearBackward(dx, a.attention, w.output, g.output, dBranch, C, C);
    ops.push(attentionBackward(gpu, { qkv: a.qkv, out: a.attention, lse: a.lse, dOut: dBranch, delta, dQkv, scratch: forward.attentionScratch, gradientScratch }, heads));
    ops.push(ropeForward(gpu, { qkv: dQkv, cosSin: forward.cosSin }, { B, T, NH, HS, direction: -1 }));
    linearBackward(dQkv, a.inputNormed, w.qkv, g.qkv, dBranch, 3 * C, C);
    normBackward(dBranch, a.input, a.inputRstd, w.inputNorm, g.inputNorm, true);
  }
  ops.push(embeddingBackward(gpu, { dx, order, starts, dTable: gradients.embedding }, { rows, C, V }));
  return { ops: await settleOps(ops), order, starts };
}
