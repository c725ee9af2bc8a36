// Matrix products of generating one token, each with the RMSNorm before it and what follows it, so that a layer is five dispatches. Products that are added to the residual stream have nothing to fuse: gemm with
// `accumulate` does them. K is a multiple of 4. Results are assigned.
import { invariant } from '../core/invariant.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, linearWorkgroups, type DispatchOp } from '../gpu/dispatch.ts';
import type { SoftwareKernel } from '../gpu/pipelines.ts';
import { usesBarriers } from './barriers.ts';
import wgsl from './vectorProduct.wgsl?raw';
import aloneWgsl from './vectorProductAlone.wgsl?raw';
import sharedWgsl from './vectorProductShared.wgsl?raw';

/** How the rows of a product are divided: a set of four to each invocation, or to 32 of them. */
export type VectorProductVariant = 'alone' | 'shared';

/** As the two appended files say. */
const LAYOUT = { alone: { wgsl: aloneWgsl, lanes: 1, workgroupSize: 16 }, shared: { wgsl: sharedWgsl, lanes: 32, workgroupSize: 64 } } as const;

/** Barriers are what hurts where a processor plays the GPU, lone loads what hurts on a GPU (bench/LOG.md; the latter not measured on one yet). */
const variantFor = (gpu: Gpu): VectorProductVariant => (usesBarriers(gpu) ? 'shared' : 'alone');

interface NormedVector {
  /** [K], the residual stream. */
  readonly x: BufferView;
  /** [K] */
  readonly normWeight: BufferView;
  /** [N, K] */
  readonly w: BufferView;
}

interface NormedProductShape {
  /** Rows of w. */
  readonly N: number;
  readonly K: number;
  readonly eps: number;
  readonly variant?: VectorProductVariant;
}

/** y [N] = w . rmsnorm(x). @throws Error when K is not a multiple of 4 or w is not [N, K] */
export function normProduct(gpu: Gpu, { x, normWeight, w, y }: NormedVector & { readonly y: BufferView }, shape: NormedProductShape): Promise<DispatchOp> {
  const { N, K, eps } = shape;
  return dispatch(gpu, 'normProduct', [x, normWeight, w, y], shape, {}, Math.ceil(N / 4), { kernel: 'vectorNormProduct', items: Math.ceil(N / 4), args: [N, K, eps], scratchFloats: K });
}

export interface NormQkvBuffers extends NormedVector {
  /** ropeTable's numbers. */
  readonly cosSin: BufferView;
  /** u32; [0] is the token's position. */
  readonly state: BufferView;
  /** [NH * HS], turned by the position. */
  readonly query: BufferView;
  /** [maxT, NH * HS]: the row of the position receives the turned key. */
  readonly keyCache: BufferView;
  /** [maxT, NH * HS]: the row of the position receives the value. */
  readonly valueCache: BufferView;
}

/** q, k and v of one token: w [3 * NH * HS, K]. @throws Error when K or HS is not a multiple of 4 or w has another size */
export async function normQkv(
  gpu: Gpu,
  { x, normWeight, w, cosSin, state, query, keyCache, valueCache }: NormQkvBuffers,
  { NH, HS, K, eps, variant }: { readonly NH: number; readonly HS: number } & Omit<NormedProductShape, 'N'>,
): Promise<DispatchOp> {
  invariant(HS % 4 === 0, `rope needs a head size that is a multiple of 4, not ${HS}`);
  const numSets = (3 * NH * HS) / 4;
  return dispatch(
    gpu, 'normQkv', [x, normWeight, w, cosSin, state, query, keyCache, valueCache], { N: 3 * NH * HS, K, eps, variant }, { NUM_HEADS: NH, HEAD_SIZE: HS }, numSets,
    { kernel: 'vectorNormQkv', items: numSets, args: [NH, HS, K, eps], scratchFloats: K },
  );
}

/** activation [F] = silu(gate) * up of w [2F, K], gate first. @throws Error when K is not a multiple of 4, F is odd or w has another size */
export async function normSwiglu(
  gpu: Gpu,
  { x, normWeight, w, activation }: NormedVector & { readonly activation: BufferView },
  { F, K, eps, variant }: { readonly F: number } & Omit<NormedProductShape, 'N'>,
): Promise<DispatchOp> {
  invariant(F % 2 === 0, `swiglu of one token needs an even width, not ${F}`);
  return dispatch(gpu, 'normSwiglu', [x, normWeight, w, activation], { N: 2 * F, K, eps, variant }, {}, F / 2, { kernel: 'vectorNormSwiglu', items: F / 2, args: [F, K, eps], scratchFloats: K });
}

async function dispatch(
  gpu: Gpu, entryPoint: 'normProduct' | 'normQkv' | 'normSwiglu', bindings: readonly BufferView[], { N, K, eps, variant = variantFor(gpu) }: NormedProductShape, constants: Readonly<Record<string, number>>,
  numSets: number, software: SoftwareKernel,
): Promise<DispatchOp> {
  const label = `vectorProduct.${entryPoint}.${N}x${K}.${variant}`;
  invariant(K % 4 === 0, `${label} needs an inner size that is a multiple of 4`);
  const [x, normWeight, w] = bindings;
  invariant(x.size === 4 * K && normWeight.size === 4 * K && w.size === 4 * N * K, `${label}: views of ${x.size}, ${normWeight.size} and ${w.size} bytes are not [K], [K] and [N, K]`);
  const layout = LAYOUT[variant];
  const text = `${wgsl}\n${layout.wgsl}\nconst X_VECTORS = ${K / 4}u;\nconst W_VECTORS = ${(N * K) / 4}u;\n`;
  return createDispatch(
    gpu, { label, wgsl: text, entryPoint, constants: { ...(entryPoint === 'normQkv' ? {} : { N }), K_VECS: K / 4, EPS: eps, ...constants }, software }, bindings, linearWorkgroups(numSets * layout.lanes, layout.workgroupSize),
  );
}
