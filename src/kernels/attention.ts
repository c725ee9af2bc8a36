// Causal multi-head attention in training: softmax(q k^T / sqrt(HS)) v over fused qkv [B*T, 3*NH*HS] and its backward. HS is a multiple of 4 up to 128; results
// are assigned. Between forward and backward only each row's log-sum-exp is kept. The streaming kernels take qkv, out and their gradients as halves, too.
import { invariant } from '../core/invariant.ts';
import { ceilDivide, roundUp } from '../core/tensor.ts';
import type { BufferView, Storage } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, type DispatchOp } from '../gpu/dispatch.ts';
import type { SoftwareKernel } from '../gpu/pipelines.ts';
import shader from './attention.wgsl?raw';
import type { AttentionBackwardBuffers, AttentionForwardBuffers, AttentionShape } from './attentionBuffers.ts';
import { attentionTilesBackward, attentionTilesFit, attentionTilesForward, attentionTilesScratchFloats } from './attentionTiles.ts';
import { rememberChoice, rememberedChoice } from './kernelChoices.ts';
import { holdsHalves, storageWgsl } from './storageWgsl.ts';

export type { AttentionBackwardBuffers, AttentionForwardBuffers, AttentionShape } from './attentionBuffers.ts';

const ROWS_PER_WORKGROUP = 64;
/** A row's vectors are kept in registers; past this they would live in slow memory. */
const MAX_HEAD_SIZE = 128;

/** Two ways to the same numbers: `streaming` keeps nothing of size T x T; `tiles` (attentionTiles.ts) has scratch for it and is faster where loads are dear. */
export type AttentionVariant = 'streaming' | 'tiles';

const shapeKey = ({ B, T, NH, HS }: AttentionShape): string => `attention ${B} ${T} ${NH} ${HS}`;

/** The variants that can compute this shape on this device; of halves only one. */
export function supportedAttentionVariants(gpu: Gpu, shape: AttentionShape, storage: Storage = 'f32'): AttentionVariant[] {
  return storage === 'f32' && attentionTilesFit(gpu, shape) ? ['streaming', 'tiles'] : ['streaming'];
}

/** Remembers what a measurement found for this shape on this device. */
export function rememberAttentionVariant(gpu: Gpu, shape: AttentionShape, variant: AttentionVariant): void {
  rememberChoice(gpu, shapeKey(shape), variant);
}

export const isAttentionTuned = (gpu: Gpu, shape: AttentionShape): boolean => tunedVariant(gpu, shape) !== undefined;

/** The measured variant, else tiles on software adapters (bench/LOG.md) and streaming on hardware (not measured). */
export function chosenAttentionVariant(gpu: Gpu, shape: AttentionShape, storage: Storage = 'f32'): AttentionVariant {
  if (storage === 'f16') return 'streaming';
  return tunedVariant(gpu, shape) ?? (gpu.adapter.isFallback && attentionTilesFit(gpu, shape) ? 'tiles' : 'streaming');
}

function tunedVariant(gpu: Gpu, shape: AttentionShape): AttentionVariant | undefined {
  const remembered = rememberedChoice(gpu, shapeKey(shape));
  return supportedAttentionVariants(gpu, shape).find((variant) => variant === remembered);
}

/** Floats of each scratch buffer that the variant wants: one for the forward pass, another beside it for the backward pass; 0 for none. */
export function attentionScratchFloats(gpu: Gpu, shape: AttentionShape, variant: AttentionVariant = chosenAttentionVariant(gpu, shape)): number {
  return variant === 'tiles' ? attentionTilesScratchFloats(shape) : 0;
}

/** @throws Error when HS is not a multiple of 4 up to 128, or when the variant does not take halves */
export async function attentionForward(
  gpu: Gpu, buffers: AttentionForwardBuffers, shape: AttentionShape, variant: AttentionVariant = chosenAttentionVariant(gpu, shape, buffers.qkv.storage),
): Promise<DispatchOp[]> {
  checkHeadSize(shape);
  const { qkv, out, lse, scratch } = buffers;
  if (variant === 'tiles') return attentionTilesForward(gpu, buffers, requireScratch(scratch, [qkv, out]), shape);
  return [await dispatch(gpu, 'forward', [qkv, out, lse], { Qkv: qkv, Out: out }, shape)];
}

/** @throws as attentionForward */
export async function attentionBackward(
  gpu: Gpu, buffers: AttentionBackwardBuffers, shape: AttentionShape, variant: AttentionVariant = chosenAttentionVariant(gpu, shape, buffers.qkv.storage),
): Promise<DispatchOp[]> {
  checkHeadSize(shape);
  const { qkv, out, lse, dOut, delta, dQkv, scratch, gradientScratch } = buffers;
  const stored = [qkv, out, dOut, dQkv];
  const rowDelta = dispatch(gpu, 'rowDelta', [out, dOut, delta], { Out: out, DOut: dOut }, shape);
  if (variant === 'tiles') return [await rowDelta, ...(await attentionTilesBackward(gpu, buffers, requireScratch(scratch, stored), requireScratch(gradientScratch, stored), shape))];
  const gradients = (entryPoint: 'queryGradient' | 'keyValueGradient'): Promise<DispatchOp> =>
    dispatch(gpu, entryPoint, [qkv, dOut, lse, delta, dQkv], { Qkv: qkv, DOut: dOut, DQkv: dQkv }, shape);
  return Promise.all([rowDelta, gradients('queryGradient'), gradients('keyValueGradient')]);
}

function checkHeadSize({ HS }: AttentionShape): void {
  invariant(HS > 0 && HS % 4 === 0 && HS <= MAX_HEAD_SIZE, `attention needs a head size that is a multiple of 4 up to ${MAX_HEAD_SIZE}, not ${HS}`);
}

function requireScratch(scratch: BufferView | undefined, operands: readonly BufferView[]): BufferView {
  invariant(scratch, 'attention in tiles needs scratch (attentionScratchFloats)');
  invariant(!holdsHalves(operands), 'attention in tiles takes no halves');
  return scratch;
}

/** `stored`: those of the bindings that may be halves, by the names of their aliases in the shader. */
async function dispatch(
  gpu: Gpu,
  entryPoint: 'forward' | 'rowDelta' | 'queryGradient' | 'keyValueGradient',
  bindings: BufferView[],
  stored: Readonly<Partial<Record<'Qkv' | 'Out' | 'DOut' | 'DQkv', BufferView>>>,
  { B, T, NH, HS }: AttentionShape,
): Promise<DispatchOp> {
  const storage = storageWgsl({ Qkv: undefined, Out: undefined, DOut: undefined, DQkv: undefined, ...stored });
  const source = {
    label: `attention.${entryPoint}`,
    wgsl: `${shader}\nconst HEAD_VECS: u32 = ${HS / 4}u;\n${storage}`,
    entryPoint,
    constants: { T, NUM_HEADS: NH, SCALE: 1 / Math.sqrt(HS) },
    software: holdsHalves(bindings) ? undefined : softwareKernel(entryPoint, { B, T, NH, HS }),
  };
  return createDispatch(gpu, source, bindings, [ceilDivide(T, ROWS_PER_WORKGROUP), NH, B]);
}

/** Items are blocks of four rows of one head, of rowDelta rows of all heads; scratch as attention.as.ts says. */
function softwareKernel(entryPoint: 'forward' | 'rowDelta' | 'queryGradient' | 'keyValueGradient', { B, T, NH, HS }: AttentionShape): SoftwareKernel {
  const T8 = roundUp(T, 8);
  return {
    kernel: { forward: 'attentionForward', rowDelta: 'attentionRowDelta', queryGradient: 'attentionQueryGradient', keyValueGradient: 'attentionKeyValueGradient' }[entryPoint],
    items: entryPoint === 'rowDelta' ? B * T : B * NH * ceilDivide(T, 4),
    args: [T, NH, HS, 1 / Math.sqrt(HS)],
    scratchFloats: 2 * T8 * HS + 8 * HS + 8 * T8 + 36,
  };
}
