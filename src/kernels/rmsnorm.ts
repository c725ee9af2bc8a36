// RMSNorm (https://arxiv.org/abs/1910.07467), forward with or without the residual add before it, and backward. rows x hiddenSize floats;
// hiddenSize is a multiple of 4. Activations are assigned, dWeight is added to. y and dy may be stored as halves.
import { invariant } from '../core/invariant.ts';
import { ceilDivide } from '../core/tensor.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, linearWorkgroups, type DispatchOp } from '../gpu/dispatch.ts';
import type { SoftwareKernel } from '../gpu/pipelines.ts';
import shader from './rmsnorm.wgsl?raw';
import { holdsHalves, storageWgsl } from './storageWgsl.ts';

/** Rows of one workgroup and columns (in vec4f) of one workgroup, as in rmsnorm.wgsl. */
const ROWS_PER_WORKGROUP = 16;
const COLUMNS_PER_WORKGROUP = 64;

const MIN_ROWS_PER_CHUNK = 16;
const MAX_CHUNKS = 64;

export interface RmsnormShape {
  readonly rows: number;
  readonly hiddenSize: number;
}

export interface RmsnormForwardBuffers {
  /** [rows, hiddenSize] */
  readonly x: BufferView;
  /** With it the norm is of sum = x + addend, and `sum` [rows, hiddenSize] receives that. */
  readonly addend?: BufferView;
  readonly sum?: BufferView;
  /** [hiddenSize] */
  readonly weight: BufferView;
  /** Assigned, [rows, hiddenSize]; may be stored as halves. */
  readonly y: BufferView;
  /** Assigned, [rows]: 1 / sqrt(mean(x^2) + eps), kept for the backward. */
  readonly rstd: BufferView;
}

export interface RmsnormBackwardBuffers {
  /** [rows, hiddenSize]; may be stored as halves. */
  readonly dy: BufferView;
  /** What was normed in the forward: x, or sum where there was an addend. */
  readonly x: BufferView;
  readonly weight: BufferView;
  readonly rstd: BufferView;
  /** Assigned, or added to with `accumulateDx`. */
  readonly dx: BufferView;
  /** Added to. */
  readonly dWeight: BufferView;
  /** Scratch of rmsnormPartialsFloats(shape) floats. */
  readonly partials: BufferView;
}

/** @throws Error when hiddenSize is not a multiple of 4 or only one of addend and sum is given */
export async function rmsnormForward(
  gpu: Gpu,
  { x, addend, sum, weight, y, rstd }: RmsnormForwardBuffers,
  { rows, hiddenSize, eps }: RmsnormShape & { readonly eps: number },
): Promise<DispatchOp> {
  const source = { label: 'rmsnorm.forward', wgsl: shader + storageWgsl({ Y: y, Dy: undefined }), constants: { ROWS: rows, ROW_VECS: rowVecs(hiddenSize), EPS: eps } };
  const workgroups = linearWorkgroups(rows, ROWS_PER_WORKGROUP);
  const twin = (kernel: string): SoftwareKernel | undefined => (holdsHalves([y]) ? undefined : { kernel, items: rows, args: [hiddenSize, eps] });
  if (!addend && !sum) return createDispatch(gpu, { ...source, entryPoint: 'forward', software: twin('rmsnormForward') }, [x, weight, y, rstd], workgroups);
  invariant(addend && sum, 'rmsnorm takes addend and sum together');
  return createDispatch(gpu, { ...source, entryPoint: 'forwardAdded', software: twin('rmsnormForwardAdded') }, [x, weight, y, rstd, addend, sum], workgroups);
}

/** dx, then dWeight in two stages. @throws Error when hiddenSize is not a multiple of 4 */
export async function rmsnormBackward(
  gpu: Gpu,
  { dy, x, weight, rstd, dx, dWeight, partials }: RmsnormBackwardBuffers,
  { rows, hiddenSize, accumulateDx }: RmsnormShape & { readonly accumulateDx: boolean },
): Promise<DispatchOp[]> {
  const shape = { ROWS: rows, ROW_VECS: rowVecs(hiddenSize) };
  const wgsl = shader + storageWgsl({ Y: undefined, Dy: dy });
  const twin = (software: SoftwareKernel): SoftwareKernel | undefined => (holdsHalves([dy]) ? undefined : software);
  const chunked = { ...shape, ROWS_PER_CHUNK: rowsPerChunk(rows) };
  const columns = ceilDivide(hiddenSize / 4, COLUMNS_PER_WORKGROUP);
  return Promise.all([
    createDispatch(
      gpu,
      {
        label: 'rmsnorm.inputGradient', wgsl, entryPoint: 'inputGradient', constants: { ...shape, ACCUMULATE: Number(accumulateDx) },
        software: twin({ kernel: 'rmsnormInputGradient', items: rows, args: [hiddenSize, Number(accumulateDx)] }),
      },
      [x, weight, rstd, dy, dx],
      linearWorkgroups(rows, ROWS_PER_WORKGROUP),
    ),
    createDispatch(
      gpu,
      {
        label: 'rmsnorm.weightPartials', wgsl, entryPoint: 'weightPartials', constants: chunked,
        software: twin({ kernel: 'rmsnormWeightPartials', items: numChunks(rows), args: [rows, hiddenSize, rowsPerChunk(rows)] }),
      },
      [x, rstd, dy, partials],
      [columns, numChunks(rows)],
    ),
    createDispatch(
      gpu,
      {
        label: 'rmsnorm.weightGradient', wgsl, entryPoint: 'weightGradient', constants: chunked,
        software: { kernel: 'rmsnormWeightGradient', items: hiddenSize / 4, args: [hiddenSize, numChunks(rows)] },
      },
      [partials, dWeight],
      [columns],
    ),
  ]);
}

/** Floats of the scratch buffer `partials` of rmsnormBackward. */
export function rmsnormPartialsFloats({ rows, hiddenSize }: RmsnormShape): number {
  return numChunks(rows) * hiddenSize;
}

// Enough chunks to keep a GPU busy on narrow rows, few enough that the second stage stays short.
function rowsPerChunk(rows: number): number {
  return Math.max(MIN_ROWS_PER_CHUNK, ceilDivide(rows, MAX_CHUNKS));
}

function numChunks(rows: number): number {
  return ceilDivide(rows, rowsPerChunk(rows));
}

function rowVecs(hiddenSize: number): number {
  invariant(hiddenSize % 4 === 0, `rmsnorm needs a hidden size that is a multiple of 4, not ${hiddenSize}`);
  return hiddenSize / 4;
}
