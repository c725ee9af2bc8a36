// Cross-entropy over a chunk of rows of logits, in place: what enters as logits leaves as their gradient, so that no second [rows, V] exists.
// One workgroup per row; on a GPU 128 invocations share it, on SwiftShader (subgroups of 4, slow barriers) just 4.
import { invariant } from '../core/invariant.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, type DispatchOp } from '../gpu/dispatch.ts';
import shader from './crossEntropy.wgsl?raw';
import { elementWgsl, lanesFor } from './elementWgsl.ts';
import { STEP_SCALARS_WGSL } from './stepScalars.ts';

/** Target of a row that is not trained on: loss 0, gradient 0. */
export const IGNORED_TARGET = 0xffffffff;

export interface CrossEntropyShape {
  /** Rows of this chunk, at most 65,535. */
  readonly rows: number;
  readonly V: number;
  /** Invocations that share a row, a power of two; by default what suits the adapter. */
  readonly invocationsPerRow?: number;
}

export interface CrossEntropyForwardViews {
  /** [rows, V] */
  readonly logits: BufferView;
  /** u32 [rows or more]: the next token of each row, or IGNORED_TARGET. */
  readonly targets: BufferView;
  /** [rows or more], written: nats per row. */
  readonly losses: BufferView;
}

export interface CrossEntropyViews extends CrossEntropyForwardViews {
  /** Step scalars; lossScale is read. */
  readonly scalars: BufferView;
}

/** losses[row] = -log softmax(logits[row])[targets[row]]; the logits stay. */
export function crossEntropyForward(gpu: Gpu, { logits, targets, losses }: CrossEntropyForwardViews, shape: CrossEntropyShape): Promise<DispatchOp> {
  return dispatch(gpu, 'forward', [logits, targets, losses], shape);
}

/** Losses as in the forward alone, and logits <- dLogits = (softmax - onehot(target)) * lossScale. */
export function crossEntropyForwardBackward(gpu: Gpu, { logits, targets, losses, scalars }: CrossEntropyViews, shape: CrossEntropyShape): Promise<DispatchOp> {
  return dispatch(gpu, 'forwardBackward', [logits, targets, losses, scalars], shape);
}

function dispatch(gpu: Gpu, entryPoint: 'forward' | 'forwardBackward', bindings: readonly BufferView[], shape: CrossEntropyShape): Promise<DispatchOp> {
  const { rows, V, invocationsPerRow = gpu.adapter.isFallback ? 4 : 128 } = shape;
  invariant(Number.isInteger(Math.log2(invocationsPerRow)), `crossEntropy: ${invocationsPerRow} invocations per row is no power of two`);
  invariant(bindings[0].size >= rows * V * 4, `crossEntropy: ${bindings[0].size} bytes of logits for ${rows} rows of ${V}`);
  const lanes = lanesFor(V);
  return createDispatch(
    gpu,
    {
      label: `crossEntropy.${entryPoint}`,
      wgsl: shader + elementWgsl(lanes) + STEP_SCALARS_WGSL,
      entryPoint,
      constants: { ELEMENTS_PER_ROW: V / lanes, WORKGROUP_SIZE: invocationsPerRow },
      software: { kernel: entryPoint === 'forward' ? 'crossEntropyForward' : 'crossEntropyForwardBackward', items: rows, args: [V] },
    },
    bindings,
    [rows],
  );
}
