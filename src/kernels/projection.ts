// Projects slices of T as they lie in the pack's files onto one small weight, and takes the gradient of the coefficients. Float16 is decoded in the
// shader (no shader-f16 needed). Slices may be bound a few at a time: `firstSlice` says which, `accumulate` adds to what is there.
import { invariant } from '../core/invariant.ts';
import { ceilDivide, roundUp } from '../core/tensor.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, linearWorkgroups, type DispatchOp } from '../gpu/dispatch.ts';
import type { SoftwareKernel } from '../gpu/pipelines.ts';
import { elementWgsl, lanesFor } from './elementWgsl.ts';
import shader from './projection.wgsl?raw';

export type SliceDtype = 'F16' | 'F32';

export interface ProjectionShape {
  /** Slices bound. */
  readonly h: number;
  /** Floats of one slice: out * in. */
  readonly size: number;
  /** Index of the first bound slice among the coefficients. */
  readonly firstSlice: number;
  readonly sliceDtype: SliceDtype;
}

const DECODE: Record<SliceDtype, Record<1 | 4, string>> = {
  F16: {
    4: `
@group(0) @binding(0) var<storage, read> slices: array<vec2u>;
fn sliceElement(r: u32, i: u32) -> Element {
  let packed = slices[r * ELEMENTS_PER_SLICE + i];
  return vec4f(unpack2x16float(packed.x), unpack2x16float(packed.y));
}
`,
    1: `
@group(0) @binding(0) var<storage, read> slices: array<u32>;
fn sliceElement(r: u32, i: u32) -> Element {
  let index = r * ELEMENTS_PER_SLICE + i;
  return unpack2x16float(slices[index / 2u])[index % 2u];
}
`,
  },
  F32: {
    4: `
@group(0) @binding(0) var<storage, read> slices: array<vec4f>;
fn sliceElement(r: u32, i: u32) -> Element { return slices[r * ELEMENTS_PER_SLICE + i]; }
`,
    1: `
@group(0) @binding(0) var<storage, read> slices: array<f32>;
fn sliceElement(r: u32, i: u32) -> Element { return slices[r * ELEMENTS_PER_SLICE + i]; }
`,
  },
};

/** Bytes of `h` slices as the buffer must hold them: the file's bytes, rounded up to whole 4-byte words. */
export function sliceBytes({ h, size, sliceDtype }: Omit<ProjectionShape, 'firstSlice'>): number {
  return roundUp(h * size * (sliceDtype === 'F16' ? 2 : 4), 4);
}

/** Partial sums per slice in the backward pass. */
function partialsPerSlice(size: number): number {
  return Math.min(4096, roundUp(ceilDivide(size, lanesFor(size) * 32), 64));
}

/** Floats of scratch that projectionBackward needs. */
export function projectionPartials({ h, size }: Pick<ProjectionShape, 'h' | 'size'>): number {
  return h * partialsPerSlice(size);
}

/** Floats of the weight that one item of the WebAssembly kernel projects. */
const FLOATS_PER_ITEM = 2048;

function source(entryPoint: string, shape: ProjectionShape, software: SoftwareKernel, constants: Record<string, number> = {}) {
  const { h, size, firstSlice, sliceDtype } = shape;
  const lanes = lanesFor(size);
  return {
    label: `projection.${entryPoint}`,
    wgsl: shader + elementWgsl(lanes) + DECODE[sliceDtype][lanes],
    entryPoint,
    constants: { H: h, ELEMENTS_PER_SLICE: size / lanes, FIRST_SLICE: firstSlice, NUM_PARTIALS: partialsPerSlice(size), ...constants },
    software,
  };
}

const isHalf = ({ sliceDtype }: ProjectionShape): number => (sliceDtype === 'F16' ? 1 : 0);

function checkSlices(slices: BufferView, shape: ProjectionShape): void {
  invariant(slices.size === sliceBytes(shape), `projection: ${slices.size} bytes for ${shape.h} ${shape.sliceDtype} slices of ${shape.size}`);
}

export interface ProjectionForwardViews {
  /** Bytes of h slices [h, size], see sliceBytes. */
  readonly slices: BufferView;
  /** f32 [firstSlice + h or more], the expert's coefficients of this layer. */
  readonly coefficients: BufferView;
  /** [size] */
  readonly weight: BufferView;
}

/** weight (= or, if `accumulate`, +=) sum over r < h of coefficients[firstSlice + r] * T[r]. */
export function projectionForward(
  gpu: Gpu,
  { slices, coefficients, weight }: ProjectionForwardViews,
  shape: ProjectionShape & { readonly accumulate: boolean },
): Promise<DispatchOp> {
  checkSlices(slices, shape);
  const { h, size, firstSlice, accumulate } = shape;
  const software = { kernel: 'projectionForward', items: ceilDivide(size, FLOATS_PER_ITEM), args: [h, size, firstSlice, isHalf(shape), Number(accumulate), FLOATS_PER_ITEM] };
  return createDispatch(
    gpu,
    source('forward', shape, software, { ACCUMULATE: shape.accumulate ? 1 : 0 }),
    [slices, coefficients, weight],
    linearWorkgroups(shape.size / lanesFor(shape.size), 64),
  );
}

export interface ProjectionBackwardViews {
  readonly slices: BufferView;
  /** [size] */
  readonly dWeight: BufferView;
  /** Scratch of projectionPartials(shape) floats. */
  readonly partials: BufferView;
  /** f32 [firstSlice + h or more]; [firstSlice, firstSlice + h) are assigned. */
  readonly dCoefficients: BufferView;
}

/** dCoefficients[firstSlice + r] = dot(dWeight, T[r]) for r < h, in two stages. */
export function projectionBackward(
  gpu: Gpu,
  { slices, dWeight, partials, dCoefficients }: ProjectionBackwardViews,
  shape: ProjectionShape,
): Promise<DispatchOp[]> {
  checkSlices(slices, shape);
  const { h, size, firstSlice } = shape;
  const numPartials = partialsPerSlice(size);
  const products = { kernel: 'projectionProducts', items: h * numPartials, args: [size, isHalf(shape), numPartials] };
  const finish = { kernel: 'projectionFinish', items: h, args: [numPartials, firstSlice] };
  return Promise.all([
    createDispatch(gpu, source('products', shape, products), [slices, dWeight, partials], [numPartials / 64, h]),
    createDispatch(gpu, source('finish', shape, finish), [partials, dCoefficients], [h]),
  ]);
}
