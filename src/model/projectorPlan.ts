// What a projector takes on the GPU, and in which runs its slices get there: from shapes and dtypes alone, so that it can be planned without reading the file.
import { MLP_PROJECTIONS, layerWeight, mlpShape, type ModelConfig } from '../config/modelConfig.ts';
import type { BufferScope, BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { WEBASSEMBLY_FEATURE } from '../gpu/pipelines.ts';
import { projectionPartials, sliceBytes, type SliceDtype } from '../kernels/projection.ts';
import type { TensorFile } from '../formats/tensorFile.ts';

/** Largest staging buffer of streamed slices, in bytes; adapters' limits may lower it. JavaScript holds two runs of that size and the browser one or two on their way, but for WebAssembly, whose two staging buffers are read into. */
export const MAX_STAGING_BYTES = 32 * 2 ** 20;

/** Runs that are read at once: one that the GPU works on, one on its way. */
export const NUM_LANES = 2;

/** One MLP matrix of the network as its slices lie in the file. */
export interface ProjectedMatrix {
  readonly weightName: string;
  readonly sliceTensor: string;
  /** Slices stored in 8 bits, with a scale per row. */
  readonly scaleTensor?: string;
  readonly mixingTensor: string;
  /** What the GPU sees: T in 8 bits becomes float32 while it is read. */
  readonly dtype: SliceDtype;
  /** Elements of one slice. */
  readonly size: number;
  /** Rows of one slice. */
  readonly out: number;
}

/** A matrix with what is read of it at once. */
export interface LoadedMatrix extends ProjectedMatrix {
  /** [h, out], one scale per row, for T stored in 8 bits. */
  readonly scales?: Float32Array;
  /** [m, h] */
  readonly M: Float32Array;
}

export interface SliceRun<M extends ProjectedMatrix = ProjectedMatrix> {
  readonly matrix: M;
  readonly firstSlice: number;
  readonly numSlices: number;
}

export interface ProjectorPlan {
  /** [h] */
  readonly coefficients: BufferView;
  /** [h] */
  readonly gradient: BufferView;
  readonly partials: BufferView;
  /** One projected matrix of any layer. */
  readonly scratch: BufferView;
  /** One run of slices each: one that every run goes through in turn, or in WebAssembly one for each that is read at once. */
  readonly staging: readonly BufferView[];
  readonly slicesPerRun: number;
}

export function projectedMatrices(config: ModelConfig, tensors: TensorFile['tensors']): ProjectedMatrix[] {
  return Array.from({ length: config.numHiddenLayers }, (_, layer) => MLP_PROJECTIONS.map((projection): ProjectedMatrix => {
    const prefix = layerWeight(layer, `mlp.${projection}`);
    const [out, inner] = mlpShape(config, projection);
    const stored = tensors.get(`${prefix}.T`)?.dtype;
    return {
      weightName: `${prefix}.weight`, sliceTensor: `${prefix}.T`, scaleTensor: stored === 'I8' ? `${prefix}.T_scale` : undefined, mixingTensor: `${prefix}.M`,
      dtype: stored === 'F16' ? 'F16' : 'F32', size: out * inner, out,
    };
  })).flat();
}

/** Makes the buffers of a projector of `h` slices per matrix; they belong to `scope`. */
export function planProjector(gpu: Gpu, matrices: readonly ProjectedMatrix[], h: number, scope: BufferScope, stagingBytes: number = MAX_STAGING_BYTES): ProjectorPlan {
  const largest = Math.max(...matrices.map((matrix) => bytesOfSlice(matrix)));
  const stagingLimit = Math.min(stagingBytes, gpu.device.limits.maxStorageBufferBindingSize, gpu.device.limits.maxBufferSize);
  const slicesPerRun = Math.max(1, Math.min(h, Math.floor(stagingLimit / largest)));
  return {
    coefficients: scope.floats('coefficients', h),
    gradient: scope.floats('dCoefficients', h),
    partials: scope.floats('partials', Math.max(...matrices.map(({ size }) => projectionPartials({ h, size })))),
    scratch: scope.floats('matrix', Math.max(...matrices.map(({ size }) => size))),
    staging: Array.from({ length: gpu.device.features.has(WEBASSEMBLY_FEATURE) ? NUM_LANES : 1 }, (_, lane) => scope.floats(`slices.${lane}`, Math.ceil((slicesPerRun * largest) / 4))),
    slicesPerRun,
  };
}

/** The slices of a matrix in the runs that staging holds. */
export function runsOf<M extends ProjectedMatrix>(matrix: M, h: number, slicesPerRun: number): SliceRun<M>[] {
  const runs: SliceRun<M>[] = [];
  for (let firstSlice = 0; firstSlice < h; firstSlice += slicesPerRun) runs.push({ matrix, firstSlice, numSlices: Math.min(slicesPerRun, h - firstSlice) });
  return runs;
}

/** Makes room for every run of slices at once; undefined, and nothing is made, when all together take more than `maxBytes`. */
export function planResident<M extends ProjectedMatrix>(matrices: readonly M[], h: number, slicesPerRun: number, scope: BufferScope, maxBytes: number): { readonly run: SliceRun<M>; readonly view: BufferView }[] | undefined {
  if (matrices.reduce((sum, matrix) => sum + bytesOfSlice(matrix) * h, 0) > maxBytes) return undefined;
  return matrices.flatMap((matrix) => runsOf(matrix, h, slicesPerRun)).map((run) => {
    const { sliceTensor, size, dtype } = run.matrix;
    return { run, view: scope.floats(`${sliceTensor}.${run.firstSlice}`, sliceBytes({ h: run.numSlices, size, sliceDtype: dtype }) / 4) };
  });
}

/** Bytes of one slice on the GPU. */
export const bytesOfSlice = ({ size, dtype }: ProjectedMatrix): number => size * (dtype === 'F16' ? 2 : 4);

/** Bytes of one slice in the file. */
export const storedBytesOfSlice = (matrix: ProjectedMatrix): number => (matrix.scaleTensor ? matrix.size : bytesOfSlice(matrix));
