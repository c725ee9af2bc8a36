// From projected network to small model: W = sum_r (E[i] M)[r] T[r] for every MLP matrix, with T streamed from the file tensor by tensor and in runs of slices that
// fit a bounded staging buffer, so that a network far larger than the GPU projects. `resident` keeps the slices on the GPU for
// the many projections of the fitted strategy.
import { modelWeights, type ModelConfig, type ProjectedNetworkConfig } from '../config/modelConfig.ts';
import { BufferScope, OutOfGpuMemoryError, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { writeFloats } from '../gpu/upload.ts';
import { projectionBackward, projectionForward } from '../kernels/projection.ts';
import { dequantizeRows } from '../formats/quantized.ts';
import type { TensorFile } from '../formats/tensorFile.ts';
import type { Arena } from './arena.ts';
import { slotOf, type ParameterTable } from './parameters.ts';
import { bytesOfSlice, planProjector, planResident, projectedMatrices, runsOf, type ProjectedMatrix, type ProjectorPlan, type SliceRun } from './projectorPlan.ts';

/** Expert coefficients c[r] = sum_q vector[q] M[q, r]; float64. `vector` [m], `M` [m, h] row-major. */
export function coefficientsOf(vector: ArrayLike<number>, M: ArrayLike<number>, { m, h }: { readonly m: number; readonly h: number }): Float64Array {
  const coefficients = new Float64Array(h);
  for (let q = 0; q < m; q++) for (let r = 0; r < h; r++) coefficients[r] += vector[q] * M[q * h + r];
  return coefficients;
}

/** A matrix with what is read of it at once. */
interface LoadedMatrix extends ProjectedMatrix {
  /** [h, out], one scale per row, for T stored in 8 bits. */
  readonly scales?: Float32Array;
  /** [m, h] */
  readonly M: Float32Array;
}

export class Projector {
  private readonly resident = new Map<string, BufferView>();
  private readonly residentScope: BufferScope;

  private constructor(
    private readonly gpu: Gpu,
    private readonly file: TensorFile,
    private readonly network: ProjectedNetworkConfig,
    private readonly table: ParameterTable,
    private readonly matrices: readonly LoadedMatrix[],
    /** Weights all experts share, by name. */
    private readonly shared: ReadonlyMap<string, Float32Array>,
    /** E [k, m]. */
    readonly expertVectors: Float32Array,
    private readonly plan: ProjectorPlan,
    private readonly scope: BufferScope,
  ) {
    this.residentScope = new BufferScope(gpu.buffers, 'project.resident');
  }

  /** @throws OutOfGpuMemoryError, UserError when the file can no longer be read; then nothing stays allocated */
  static async create(gpu: Gpu, config: ModelConfig, network: ProjectedNetworkConfig, table: ParameterTable, file: TensorFile, { stagingBytes }: { readonly stagingBytes?: number } = {}): Promise<Projector> {
    const matrices: LoadedMatrix[] = [];
    for (const matrix of projectedMatrices(config, file.tensors)) {
      const scales = matrix.scaleTensor === undefined ? undefined : await file.readFloats(matrix.scaleTensor);
      matrices.push({ ...matrix, scales, M: await file.readFloats(matrix.mixingTensor) });
    }
    const projected = new Set(matrices.map(({ weightName }) => weightName));
    const shared = new Map<string, Float32Array>();
    for (const { name } of modelWeights(config)) if (!projected.has(name)) shared.set(name, await file.readFloats(name));
    const expertVectors = await file.readFloats('projected_network.E');

    const scope = new BufferScope(gpu.buffers, 'project');
    const plan = planProjector(gpu, matrices, network.h, scope, stagingBytes);
    await scope.allocatedOrFreed();
    return new Projector(gpu, file, network, table, matrices, shared, expertVectors, plan, scope);
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
  async project(vector: ArrayLike<number>, weights: Arena, signal?: AbortSignal): Promise<number> {
    for (const [name, data] of this.shared) {
      const { offset, length } = slotOf(this.table, name);
      await writeFloats(this.gpu, [weights.range(offset, length)], data);
    }
    return this.reproject(vector, weights, signal);
  }

  /** As project, but leaves the shared weights alone. */
  async reproject(vector: ArrayLike<number>, weights: Arena, signal?: AbortSignal): Promise<number> {
    const { h } = this.network;
    let bytesRead = 0;
    for (const matrix of this.matrices) {
      signal?.throwIfAborted();
      const coefficients = Float32Array.from(coefficientsOf(vector, matrix.M, this.network));
      this.gpu.device.queue.writeBuffer(this.plan.coefficients.buffer, 0, coefficients);
      const target: BufferView = { ...this.plan.scratch, size: matrix.size * 4 };
      for (const run of runsOf(matrix, h, this.plan.slicesPerRun)) {
        const { slices, bytes } = await this.slicesOf(run);
        bytesRead += bytes;
        const op = await projectionForward(this.gpu, { slices, coefficients: this.plan.coefficients, weight: target }, {
          h: run.numSlices, size: matrix.size, firstSlice: run.firstSlice, sliceDtype: matrix.dtype, accumulate: run.firstSlice > 0,
        });
        submitOps(this.gpu, 'project', [op]);
      }
      submitOps(this.gpu, 'project.store', [{ kind: 'copy', label: matrix.weightName, source: target, target: this.matrixView(weights, matrix) }]);
    }
    return bytesRead;
  }

  /** Gradient of the loss with respect to the expert vector [m], from the gradients of the projected weights (same layout as the weights). */
  async vectorGradient(gradients: Arena): Promise<Float64Array> {
    const { h, m } = this.network;
    const dVector = new Float64Array(m);
    for (const matrix of this.matrices) {
      const dWeight: BufferView = { ...this.plan.scratch, size: matrix.size * 4 };
      submitOps(this.gpu, 'project.load', [{ kind: 'copy', label: matrix.weightName, source: this.matrixView(gradients, matrix), target: dWeight }]);
      for (const run of runsOf(matrix, h, this.plan.slicesPerRun)) {
        const { slices } = await this.slicesOf(run);
        submitOps(this.gpu, 'project.backward', await projectionBackward(this.gpu, { slices, dWeight, partials: this.plan.partials, dCoefficients: this.plan.gradient }, {
          h: run.numSlices, size: matrix.size, firstSlice: run.firstSlice, sliceDtype: matrix.dtype,
        }));
      }
      const dCoefficients = await readFloats(this.gpu, this.plan.gradient);
      for (let q = 0; q < m; q++) for (let r = 0; r < h; r++) dVector[q] += matrix.M[q * h + r] * dCoefficients[r];
    }
    return dVector;
  }

  /** Keeps every run of slices on the GPU if all together take at most `maxBytes` and the adapter has room for them; otherwise they go on being streamed. */
  async keepResident(maxBytes: number): Promise<boolean> {
    const kept = planResident(this.matrices, this.network.h, this.plan.slicesPerRun, this.residentScope, maxBytes);
    if (!kept) return false;
    try {
      await this.residentScope.allocated();
      for (const { run, view } of kept) {
        this.gpu.device.queue.writeBuffer(view.buffer, 0, asWords(await this.readSlices(run)));
        this.resident.set(runKey(run), view);
      }
      return true;
    } catch (error) {
      this.releaseResident();
      if (error instanceof OutOfGpuMemoryError) return false;
      throw error;
    }
  }

  /** Frees what keepResident kept. */
  releaseResident(): void {
    this.residentScope.destroy();
    this.resident.clear();
  }

  destroy(): void {
    this.releaseResident();
    this.scope.destroy();
  }

  private async slicesOf(run: SliceRun<LoadedMatrix>): Promise<{ slices: BufferView; bytes: number }> {
    const kept = this.resident.get(runKey(run));
    if (kept) return { slices: kept, bytes: 0 };
    const bytes = await this.readSlices(run);
    const words = asWords(bytes);
    this.gpu.device.queue.writeBuffer(this.plan.staging.buffer, 0, words);
    return { slices: { ...this.plan.staging, size: words.byteLength }, bytes: run.numSlices * storedBytes(run.matrix) };
  }

  /** The bytes the GPU gets. */
  private async readSlices({ matrix, firstSlice, numSlices }: SliceRun<LoadedMatrix>): Promise<Uint8Array> {
    const { sliceTensor, scales, out } = matrix;
    const stored = storedBytes(matrix);
    const bytes = await this.file.readBytes(sliceTensor, firstSlice * stored, (firstSlice + numSlices) * stored);
    if (!scales) return bytes;
    return new Uint8Array(dequantizeRows(new Int8Array(bytes.buffer), scales.subarray(firstSlice * out, (firstSlice + numSlices) * out)).buffer);
  }

  private matrixView(arena: Arena, { weightName, size }: ProjectedMatrix): BufferView {
    return arena.range(slotOf(this.table, weightName).offset, size);
  }
}

/** Bytes of one slice in the file. */
const storedBytes = (matrix: ProjectedMatrix): number => (matrix.scaleTensor ? matrix.size : bytesOfSlice(matrix));
const runKey = ({ matrix, firstSlice }: SliceRun): string => `${matrix.sliceTensor}.${firstSlice}`;

/** The bytes as 32-bit words, padded to a whole word. */
function asWords(bytes: Uint8Array): Uint32Array<ArrayBuffer> {
  if (bytes.byteLength % 4 === 0 && bytes.byteOffset % 4 === 0) return new Uint32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / 4);
  const padded = new Uint8Array(Math.ceil(bytes.byteLength / 4) * 4);
  padded.set(bytes);
  return new Uint32Array(padded.buffer);
}
