// Choosing the next token on the device, so that text is made without a round trip per token: greedy, or drawn with temperature from the top-k and then the nucleus (top-p). Draws come from the caller's seed, one per position.
import { ceilDivide, roundUp } from '../core/tensor.ts';
import { invariant } from '../core/invariant.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, type DispatchOp } from '../gpu/dispatch.ts';
import wgsl from './sampling.wgsl?raw';

export interface SamplingOptions {
  /** 0 picks the most likely token. */
  readonly temperature: number;
  /** In (0, 1]: sample from the smallest set of tokens whose probabilities sum to at least this. */
  readonly topP: number;
  /** Sample from so many of the most likely tokens, before topP counts; absent or 0: all. */
  readonly topK?: number;
}

/** What logits are padded with to a whole number of vec4: never likely, and finite. */
export const PADDING_LOGIT = -1e30;

/** Floats of a buffer of logits, padding included. */
export const paddedLogits = (V: number): number => roundUp(V, 4);

export interface SamplingBuffers {
  /** [paddedLogits(V)], padded with PADDING_LOGIT. */
  readonly logits: BufferView;
  /** As packSamplingOptions says. */
  readonly options: BufferView;
  /** Per position a number in [0, 1). */
  readonly draws: BufferView;
  /** Scratch of paddedLogits(V) floats. */
  readonly weights: BufferView;
  /** u32 per position: the token after position p is written to p + 1. */
  readonly tokens: BufferView;
  /** u32 [2]: the position, which is advanced; and 1 + the first position whose logits were not finite, 0 if there was none (its token is then 0). */
  readonly state: BufferView;
}

/** The buffer `options`: temperature, topP, topK. */
export function packSamplingOptions({ temperature, topP, topK = 0 }: SamplingOptions): Float32Array {
  return Float32Array.of(temperature, topP, topK);
}

/** @param lanes invocations that share the logits. @throws Error when logits or weights are not padded to V */
export async function chooseToken(gpu: Gpu, { logits, options, draws, weights, tokens, state }: SamplingBuffers, { V, lanes = gpu.adapter.isFallback ? 4 : 64 }: { readonly V: number; readonly lanes?: number }): Promise<DispatchOp> {
  const padded = paddedLogits(V);
  invariant(logits.size === 4 * padded && weights.size === 4 * padded, `logits and weights of ${logits.size} and ${weights.size} bytes are not padded to ${padded} floats`);
  const constants = { LANES: lanes, NUM_VECS: padded / 4, VECS: ceilDivide(padded / 4, lanes) };
  return createDispatch(
    gpu, { label: 'sampling.choose', wgsl, entryPoint: 'choose', constants, software: { kernel: 'chooseToken', items: 1, args: [padded] } }, [logits, options, draws, weights, tokens, state], [1],
  );
}

/** state[0] += 1: to the next token of a prompt, after which nothing is chosen. */
export function advancePosition(gpu: Gpu, { state }: { readonly state: BufferView }): Promise<DispatchOp> {
  return createDispatch(gpu, { label: 'sampling.advance', wgsl, entryPoint: 'advance', software: { kernel: 'advance', items: 1, args: [] } }, [state], [1]);
}
