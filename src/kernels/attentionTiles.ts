// Causal attention as matrix products in register tiles, with the probabilities of one layer at a time in scratch memory: where loads are dear (software adapters) it
// takes a fraction of the time of the kernels that keep nothing (attention.wgsl), because a tile uses each load four times as often. Tiles above the
// diagonal are neither computed nor read. Memory is quadratic in T, so it is for sequences whose scratch stays small.
import { ceilDivide } from '../core/tensor.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, linearWorkgroups, type DispatchOp } from '../gpu/dispatch.ts';
import { WEBASSEMBLY_FEATURE } from '../gpu/pipelines.ts';
import type { AttentionBackwardBuffers, AttentionForwardBuffers, AttentionShape } from './attentionBuffers.ts';
import softmaxWgsl from './attentionSoftmax.wgsl?raw';
import { countTiles, REGISTER_WORKGROUP_SIZE, registerTileFits, registerTileShader, type GemmForm, type GemmShape, type OperandLayout, type RegisterTile, type TileExtras } from './gemmTileText.ts';

/** Most bytes of scratch. */
const MAX_SCRATCH_BYTES = 64 * 2 ** 20;
/** The same tile for all products: what one of them leaves out, the next does not read. */
const QUAD_TILE: RegisterTile = { lanes: 4, tileRows: 16, tileCols: 16 };
const SINGLE_TILE: RegisterTile = { lanes: 1, tileRows: 4, tileCols: 4 };

/** Floats of a scratch buffer: probabilities or their gradients, [B, NH, T, T]. */
export const attentionTilesScratchFloats = ({ B, T, NH }: AttentionShape): number => B * NH * T * T;

const tileOf = (gpu: Gpu): RegisterTile => (gpu.device.features.has('subgroups') ? QUAD_TILE : SINGLE_TILE);

/** Whether these kernels can compute this shape in scratch that is worth it. */
export function attentionTilesFit(gpu: Gpu, shape: AttentionShape): boolean {
  const { T, HS } = shape;
  const bytes = 4 * attentionTilesScratchFloats(shape);
  const limit = Math.min(MAX_SCRATCH_BYTES, gpu.device.limits.maxStorageBufferBindingSize);
  // Its products are shaders only; the WebAssembly kernels are tiles themselves.
  if (gpu.device.features.has(WEBASSEMBLY_FEATURE)) return false;
  return T % 4 === 0 && bytes <= limit && (['NT', 'NN', 'TN'] as const).every((form) => registerTileFits(tileOf(gpu), form, { M: T, N: HS, K: T }));
}

type Matrix = 'query' | 'key' | 'value' | 'perHead' | 'scores';

function layoutOf(matrix: Matrix, { B, T, NH, HS }: AttentionShape): OperandLayout {
  const width = NH * HS;
  const headAt = (pitch: number, column: number): string => `batch / ${NH}u * ${T * pitch}u + batch % ${NH}u * ${HS}u + ${column}u`;
  const fused = (column: number): OperandLayout => ({ pitch: 3 * width, base: headAt(3 * width, column), floats: B * T * 3 * width });
  switch (matrix) {
    case 'query': return fused(0);
    case 'key': return fused(width);
    case 'value': return fused(2 * width);
    case 'perHead': return { pitch: width, base: headAt(width, 0), floats: B * T * width };
    case 'scores': return { pitch: T, base: `batch * ${T * T}u`, floats: B * NH * T * T };
  }
}

/** How the products differ: form, matrices A, B and C, and which part of the triangle counts. */
const PRODUCTS = {
  /** q k^T */
  scores: { form: 'NT', matrices: ['query', 'key', 'scores'], part: { lowerOnly: true } },
  /** out = P v */
  output: { form: 'NN', matrices: ['scores', 'value', 'perHead'], part: { kRange: 'toLastRow' } },
  /** dP = dOut v^T */
  probabilityGradient: { form: 'NT', matrices: ['perHead', 'value', 'scores'], part: { lowerOnly: true } },
  /** dq = dS k */
  queryGradient: { form: 'NN', matrices: ['scores', 'key', 'query'], part: { kRange: 'toLastRow' } },
  /** dk = dS^T q */
  keyGradient: { form: 'TN', matrices: ['scores', 'query', 'key'], part: { kRange: 'fromFirstRow' } },
  /** dv = P^T dOut */
  valueGradient: { form: 'TN', matrices: ['scores', 'perHead', 'value'], part: { kRange: 'fromFirstRow' } },
} as const satisfies Record<string, { form: GemmForm; matrices: readonly [Matrix, Matrix, Matrix]; part: Omit<TileExtras, 'layout'> }>;

type Product = keyof typeof PRODUCTS;

function multiply(gpu: Gpu, product: Product, bindings: readonly BufferView[], shape: AttentionShape): Promise<DispatchOp> {
  const { B, T, NH, HS } = shape;
  const { form, matrices: [a, b, c], part } = PRODUCTS[product];
  const tile = tileOf(gpu);
  const size: GemmShape = c === 'scores' ? { M: T, N: T, K: HS } : { M: T, N: HS, K: T };
  const layout = { a: layoutOf(a, shape), b: layoutOf(b, shape), c: layoutOf(c, shape) };
  const [x, y] = linearWorkgroups(countTiles(tile, size) * tile.lanes, REGISTER_WORKGROUP_SIZE);
  return createDispatch(gpu, { label: `attention.tiles.${product}`, wgsl: registerTileShader(tile, form, size, false, { layout, ...part }) }, bindings, [x, y, B * NH]);
}

function softmax(gpu: Gpu, entryPoint: 'forward' | 'backward', bindings: readonly BufferView[], { B, T, NH, HS }: AttentionShape): Promise<DispatchOp> {
  const constants = `const T = ${T}u;\nconst TILE = ${tileOf(gpu).tileRows}u;\nconst SCORE_VECS = ${(B * NH * T * T) / 4}u;\nconst SCALE = ${1 / Math.sqrt(HS)};\n`;
  const source = { label: `attention.tiles.softmax.${entryPoint}`, wgsl: `${softmaxWgsl}\n${constants}`, entryPoint };
  return createDispatch(gpu, source, bindings, [ceilDivide(T, 64), 1, B * NH]);
}

/** As attentionForward, with scratch for the probabilities, [B, NH, T, T]. */
export function attentionTilesForward(gpu: Gpu, { qkv, out, lse }: AttentionForwardBuffers, scores: BufferView, shape: AttentionShape): Promise<DispatchOp[]> {
  return Promise.all([
    multiply(gpu, 'scores', [qkv, qkv, scores], shape),
    softmax(gpu, 'forward', [scores, lse], shape),
    multiply(gpu, 'output', [scores, qkv, out], shape),
  ]);
}

/** As attentionBackward after its row deltas, with scratch for probabilities and for their gradients, [B, NH, T, T] each. */
export function attentionTilesBackward(
  gpu: Gpu, { qkv, lse, dOut, delta, dQkv }: AttentionBackwardBuffers, scores: BufferView, gradients: BufferView, shape: AttentionShape,
): Promise<DispatchOp[]> {
  return Promise.all([
    multiply(gpu, 'scores', [qkv, qkv, scores], shape),
    multiply(gpu, 'probabilityGradient', [dOut, qkv, gradients], shape),
    softmax(gpu, 'backward', [scores, gradients, lse, delta], shape),
    multiply(gpu, 'valueGradient', [scores, dOut, dQkv], shape),
    multiply(gpu, 'queryGradient', [gradients, qkv, dQkv], shape),
    multiply(gpu, 'keyGradient', [gradients, qkv, dQkv], shape),
  ]);
}
