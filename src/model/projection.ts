// From projected network to small model: W = sum_r (E[i] M)[r] T[r] for every MLP matrix, with T streamed from the file tensor by tensor and in runs of slices that
// fit a bounded staging buffer, so that a network far larger than the GPU projects. `resident` keeps the slices on the GPU for
// the many projections of the fitted strategy.
import { MLP_PROJECTIONS, layerWeight, mlpShape, modelWeights, type ModelConfig, type ProjectedNetworkConfig } from '../config/modelConfig.ts';
import { BufferScope, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { projectionBackward, projectionForward, projectionPartials } from '../kernels/projection.ts';
import { dequantizeRows } from '../formats/quantized.ts';
import type { TensorFile } from '../formats/tensorFile.ts';
import { slotOf, type ParameterTable } from './parameters.ts';

/** Largest staging buffer of streamed slices, in bytes; adapters' binding limits may lower it. */
const MAX_STAGING_BYTES = 64 * 2 ** 20;

/** Expert coefficients c[r] = sum_q vector[q] M[q, r]; float64. `vector` [m], `M` [m, h] row-major. */
export function coefficientsOf(vector: ArrayLike<number>, M: ArrayLike<number>, { m, h }: { readonly m: number; readonly h: number }): Float64Array {
  const coefficients = new Float64Array(h);
  for (let q = 0; q < m; q++) for (let r = 0; r < h; r++) coefficients[r] += vector[q] * M[q * h + r];
  return coefficients;
}

/** One MLP matrix of the network: its slices' place in the file and its mixing matrix. */
interface ProjectedMatrix {
  readonly weightName: string;
  readonly sliceTensor: string;
  /** What the GPU sees: T in 8 bits becomes float32 while it is read. */
  readonly dtype: 'F16' | 'F32';
  /** [h, out], one scale per row, for T stored in 8 bits. */
  readonly scales?: Float32Array;
  /** Elements of one slice. */
  readonly size: number;
  /** Rows of one slice. */
  readonly out: number;
  readonly M: Float32Array;
}

interface SliceRun {
  readonly matrix: ProjectedMatrix;
  readonly firstSlice: number;
  readonly numSlices: number;
}

export class Projector {
  private readonly resident = new Map<string, BufferView>();

  private constructor(
    private readonly gpu: Gpu,
    private readonly file: TensorFile,
    private readonly network: ProjectedNetworkConfig,
    private readonly table: ParameterTable,
    private readonly matrices: readonly ProjectedMatrix[],
    /** Weights all experts share, by name. */
    private readonly shared: ReadonlyMap<string, Float32Array>,
    /** E [k, m]. */
    readonly expertVectors: Float32Array,
    private readonly coefficients: BufferView,
    private readonly gradient: BufferView,
    private readonly partials: BufferView,
    private readonly scratch: BufferView,
    private readonly staging: BufferView,
    private readonly slicesPerRun: number,
    private readonly scope: BufferScope,
  ) {}

  static async create(gpu: Gpu, config: ModelConfig, network: ProjectedNetworkConfig, table: ParameterTable, file: TensorFile, { stagingBytes = MAX_STAGING_BYTES }: { readonly stagingBytes?: number } = {}): Promise<Projector> {
    const matrices: ProjectedMatrix[] = [];
    for (let layer = 0; layer < config.numHiddenLayers; layer++) {
      for (const projection of MLP_PROJECTIONS) {
        const prefix = layerWeight(layer, `mlp.${projection}`);
        const [out, inner] = mlpShape(config, projection);
        const scales = file.tensors.get(`${prefix}.T`)?.dtype === 'I8' ? await file.readFloats(`${prefix}.T_scale`) : undefined;
        const dtype = file.tensors.get(`${prefix}.T`)?.dtype === 'F16' ? 'F16' : 'F32';
        matrices.push({ weightName: `${prefix}.weight`, sliceTensor: `${prefix}.T`, dtype, scales, size: out * inner, out, M: await file.readFloats(`${prefix}.M`) });
      }
    }
    const projected = new Set(matrices.map(({ weightName }) => weightName));
    const shared = new Map<string, Float32Array>();
    for (const { name } of modelWeights(config)) if (!projected.has(name)) shared.set(name, await file.readFloats(name));

    const scope = new BufferScope(gpu.buffers, 'project');
    const largest = matrices.reduce((a, b) => (sliceBytes(a) >= sliceBytes(b) ? a : b));
    const stagingLimit = Math.min(stagingBytes, gpu.device.limits.maxStorageBufferBindingSize);
    const slicesPerRun = Math.max(1, Math.min(network.h, Math.floor(stagingLimit / sliceBytes(largest))));
    const maxSize = Math.max(...matrices.map(({ size }) => size));
    return new Projector(
      gpu, file, network, table, matrices, shared, await file.readFloats('projected_network.E'),
      scope.floats('coefficients', network.h),
      scope.floats('dCoefficients', network.h),
      scope.floats('partials', Math.max(...matrices.map(({ size }) => projectionPartials({ h: network.h, size })))),
      scope.floats('matrix', maxSize),
      scope.floats('slices', Math.ceil((slicesPerRun * sliceBytes(largest)) / 4)),
      slicesPerRun, scope,
    );
  }

  /** Bytes of all slices in the file. */
  get sliceBytesTotal(): number {
    return this.matrices.reduce((sum, matrix) => sum + storedBytes(matrix) * this.network.h, 0);
  }

  /** Expert i's vector [m]. */
  expertVector(expert: number): Float64Array {
    return Float64Array.from(this.expertVectors.subarray(expert * this.network.m, (expert + 1) * this.network.m));
  }

  /** Writes the projection of `vector` [m] and the shared weights into the weight arena. Returns the bytes of T that were read from the file. */
  async project(vector: ArrayLike<number>, weights: BufferView, signal?: AbortSignal): Promise<number> {
    for (const [name, data] of this.shared) {
      const { offset } = slotOf(this.table, name);
      this.gpu.device.queue.writeBuffer(weights.buffer, weights.offset + offset * 4, data as Float32Array<ArrayBuffer>);
    }
    return this.reproject(vector, weights, signal);
  }

  /** As project, but leaves the shared weights alone. */
  async reproject(vector: ArrayLike<number>, weights: BufferView, signal?: AbortSignal): Promise<number> {
    let bytesRead = 0;
    for (const matrix of this.matrices) {
      signal?.throwIfAborted();
      const coefficients = Float32Array.from(coefficientsOf(vector, matrix.M, this.network));
      this.gpu.device.queue.writeBuffer(this.coefficients.buffer, 0, coefficients);
      const target: BufferView = { ...this.scratch, size: matrix.size * 4 };
      for (const run of this.runsOf(matrix)) {
        const { slices, bytes } = await this.slicesOf(run);
        bytesRead += bytes;
        const op = await projectionForward(this.gpu, { slices, coefficients: this.coefficients, weight: target }, {
          h: run.numSlices, size: matrix.size, firstSlice: run.firstSlice, sliceDtype: matrix.dtype, accumulate: run.firstSlice > 0,
        });
        submitOps(this.gpu, 'project', [op]);
      }
      submitOps(this.gpu, 'project.store', [{ kind: 'copy', label: matrix.weightName, source: target, target: this.matrixView(weights, matrix) }]);
    }
    return bytesRead;
  }

  /** Gradient of the loss with respect to the expert vector [m], from the gradients of the projected weights (same layout as the weights). */
  async vectorGradient(gradients: BufferView): Promise<Float64Array> {
    const { h, m } = this.network;
    const dVector = new Float64Array(m);
    for (const matrix of this.matrices) {
      const dWeight: BufferView = { ...this.scratch, size: matrix.size * 4 };
      submitOps(this.gpu, 'project.load', [{ kind: 'copy', label: matrix.weightName, source: this.matrixView(gradients, matrix), target: dWeight }]);
      for (const run of this.runsOf(matrix)) {
        const { slices } = await this.slicesOf(run);
        submitOps(this.gpu, 'project.backward', await projectionBackward(this.gpu, { slices, dWeight, partials: this.partials, dCoefficients: this.gradient }, {
          h: run.numSlices, size: matrix.size, firstSlice: run.firstSlice, sliceDtype: matrix.dtype,
        }));
      }
      const dCoefficients = await readFloats(this.gpu, this.gradient);
      for (let q = 0; q < m; q++) for (let r = 0; r < h; r++) dVector[q] += matrix.M[q * h + r] * dCoefficients[r];
    }
    return dVector;
  }

  /** Keeps every run of slices on the GPU if all together take at most `maxBytes`; otherwise they go on being streamed. */
  async keepResident(maxBytes: number): Promise<boolean> {
    if (this.matrices.reduce((sum, matrix) => sum + sliceBytes(matrix) * this.network.h, 0) > maxBytes) return false;
    for (const matrix of this.matrices) {
      for (const run of this.runsOf(matrix)) {
        const bytes = await this.readSlices(run);
        this.resident.set(runKey(run), this.gpu.buffers.upload(`project.resident.${runKey(run)}`, asWords(bytes)));
      }
    }
    return true;
  }

  /** Frees what keepResident kept. */
  releaseResident(): void {
    for (const { buffer } of this.resident.values()) this.gpu.buffers.destroy(buffer);
    this.resident.clear();
  }

  destroy(): void {
    this.releaseResident();
    this.scope.destroy();
  }

  private runsOf(matrix: ProjectedMatrix): SliceRun[] {
    const runs: SliceRun[] = [];
    for (let firstSlice = 0; firstSlice < this.network.h; firstSlice += this.slicesPerRun) {
      runs.push({ matrix, firstSlice, numSlices: Math.min(this.slicesPerRun, this.network.h - firstSlice) });
    }
    return runs;
  }

  private async slicesOf(run: SliceRun): Promise<{ slices: BufferView; bytes: number }> {
    const kept = this.resident.get(runKey(run));
    if (kept) return { slices: kept, bytes: 0 };
    const bytes = await this.readSlices(run);
    const words = asWords(bytes);
    this.gpu.device.queue.writeBuffer(this.staging.buffer, 0, words);
    return { slices: { ...this.staging, size: words.byteLength }, bytes: run.numSlices * storedBytes(run.matrix) };
  }

  /** The bytes the GPU gets. */
  private async readSlices({ matrix, firstSlice, numSlices }: SliceRun): Promise<Uint8Array> {
    const { sliceTensor, scales, out } = matrix;
    const stored = storedBytes(matrix);
    const bytes = await this.file.readBytes(sliceTensor, firstSlice * stored, (firstSlice + numSlices) * stored);
    if (!scales) return bytes;
    return new Uint8Array(dequantizeRows(new Int8Array(bytes.buffer), scales.subarray(firstSlice * out, (firstSlice + numSlices) * out)).buffer);
  }

  private matrixView(arena: BufferView, { weightName, size }: ProjectedMatrix): BufferView {
    return { buffer: arena.buffer, offset: arena.offset + slotOf(this.table, weightName).offset * 4, size: size * 4 };
  }
}

/** Bytes of one slice on the GPU, and in the file. */
const sliceBytes = ({ size, dtype }: ProjectedMatrix): number => size * (dtype === 'F16' ? 2 : 4);
const storedBytes = (matrix: ProjectedMatrix): number => (matrix.scales ? matrix.size : sliceBytes(matrix));
const runKey = ({ matrix, firstSlice }: SliceRun): string => `${matrix.sliceTensor}.${firstSlice}`;

/** The bytes as 32-bit words, padded to a whole word. */
function asWords(bytes: Uint8Array): Uint32Array<ArrayBuffer> {
  if (bytes.byteLength % 4 === 0 && bytes.byteOffset % 4 === 0) return new Uint32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / 4);
  const padded = new Uint8Array(Math.ceil(bytes.byteLength / 4) * 4);
  padded.set(bytes);
  return new Uint32Array(padded.buffer);
}
