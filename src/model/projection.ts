// From projected network to small model: W = sum_r (E[i] M)[r] T[r] for every MLP matrix, with T streamed from the file in runs of slices that fit a bounded staging buffer
// (sliceReader.ts) and the shared weights in pieces (sharedWeights.ts), so that a network far larger than memory projects. `resident` keeps the slices on the GPU for the many
// projections of the fitted strategy.
import { modelWeights, type ModelConfig, type ProjectedNetworkConfig } from '../config/modelConfig.ts';
import { invariant } from '../core/invariant.ts';
import { BufferScope, OutOfGpuMemoryError, hostBytesOf, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps, type Op } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { projectionBackward, projectionForward } from '../kernels/projection.ts';
import type { TensorFile } from '../formats/tensorFile.ts';
import type { Arena } from './arena.ts';
import { slotOf, type ParameterTable } from './parameters.ts';
import { NUM_LANES, planProjector, planResident, projectedMatrices, runsOf, storedBytesOfSlice, type LoadedMatrix, type ProjectedMatrix, type ProjectorPlan, type SliceRun } from './projectorPlan.ts';
import { streamWeights } from './sharedWeights.ts';
import { SliceReader, type LaneMemory } from './sliceReader.ts';

/** Expert coefficients c[r] = sum_q vector[q] M[q, r]; float64. `vector` [m], `M` [m, h] row-major. */
export function coefficientsOf(vector: ArrayLike<number>, M: ArrayLike<number>, { m, h }: { readonly m: number; readonly h: number }): Float64Array {
  const coefficients = new Float64Array(h);
  for (let q = 0; q < m; q++) for (let r = 0; r < h; r++) coefficients[r] += vector[q] * M[q * h + r];
  return coefficients;
}

/** Slices ready on the GPU. */
interface BoundRun {
  readonly run: SliceRun<LoadedMatrix>;
  readonly slices: BufferView;
  /** Bytes read from the file for it. */
  readonly storedBytes: number;
}

export class Projector {
  private readonly resident = new Map<string, BufferView>();
  private readonly residentScope: BufferScope;
  private readonly reader: SliceReader;
  private readonly runs: readonly SliceRun<LoadedMatrix>[];
  /** Whether slices are read to where kernels read them. */
  private readonly readsIntoStaging: boolean;
  /** Per lane: when the GPU is done with the run that it holds. */
  private readonly laneDone: Promise<void>[] = Array.from({ length: NUM_LANES }, () => Promise.resolve());

  private constructor(
    private readonly gpu: Gpu,
    private readonly file: TensorFile,
    private readonly network: ProjectedNetworkConfig,
    private readonly table: ParameterTable,
    private readonly matrices: readonly LoadedMatrix[],
    /** Names of the weights that all experts share. */
    private readonly shared: readonly string[],
    /** E [k, m]. */
    readonly expertVectors: Float32Array,
    private readonly plan: ProjectorPlan,
    private readonly scope: BufferScope,
  ) {
    this.residentScope = new BufferScope(gpu.buffers, 'project.resident');
    this.readsIntoStaging = plan.staging.every((view) => hostBytesOf(view) !== undefined);
    this.reader = new SliceReader(file, this.readsIntoStaging ? (lane) => this.stagingMemory(lane) : undefined);
    this.runs = matrices.flatMap((matrix) => runsOf(matrix, network.h, plan.slicesPerRun));
  }

  /** @throws OutOfGpuMemoryError, UserError when the file can no longer be read; then nothing stays allocated */
  static async create(gpu: Gpu, config: ModelConfig, network: ProjectedNetworkConfig, table: ParameterTable, file: TensorFile, { stagingBytes }: { readonly stagingBytes?: number } = {}): Promise<Projector> {
    const matrices: LoadedMatrix[] = [];
    for (const matrix of projectedMatrices(config, file.tensors)) {
      const scales = matrix.scaleTensor === undefined ? undefined : await file.readFloats(matrix.scaleTensor);
      matrices.push({ ...matrix, scales, M: await file.readFloats(matrix.mixingTensor) });
    }
    const projected = new Set(matrices.map(({ weightName }) => weightName));
    const shared = modelWeights(config).map(({ name }) => name).filter((name) => !projected.has(name));
    const expertVectors = await file.readFloats('projected_network.E');

    const scope = new BufferScope(gpu.buffers, 'project');
    const plan = planProjector(gpu, matrices, network.h, scope, stagingBytes);
    await scope.allocatedOrFreed();
    return new Projector(gpu, file, network, table, matrices, shared, expertVectors, plan, scope);
  }

  /** Bytes of all slices in the file. */
  get sliceBytesTotal(): number {
    return this.matrices.reduce((sum, matrix) => sum + storedBytesOfSlice(matrix) * this.network.h, 0);
  }

  /** Expert i's vector [m]. */
  expertVector(expert: number): Float64Array {
    return Float64Array.from(this.expertVectors.subarray(expert * this.network.m, (expert + 1) * this.network.m));
  }

  /**
   * Writes the projection of `vector` [m] and the shared weights into the weight arena. Returns the bytes of T that were read from the file.
   * @throws UserError when the file can no longer be read; the signal's reason
   */
  async project(vector: ArrayLike<number>, weights: Arena, signal?: AbortSignal): Promise<number> {
    await streamWeights(this.gpu, this.file, this.shared, weights, signal);
    return this.reproject(vector, weights, signal);
  }

  /** As project, but leaves the shared weights alone. */
  async reproject(vector: ArrayLike<number>, weights: Arena, signal?: AbortSignal): Promise<number> {
    const { coefficients, scratch } = this.plan;
    let bytesRead = 0;
    for await (const { run, slices, storedBytes } of this.boundRuns(signal)) {
      const { matrix, firstSlice, numSlices } = run;
      bytesRead += storedBytes;
      if (firstSlice === 0) this.gpu.device.queue.writeBuffer(coefficients.buffer, 0, Float32Array.from(coefficientsOf(vector, matrix.M, this.network)));
      const target: BufferView = { ...scratch, size: matrix.size * 4 };
      const op = await projectionForward(this.gpu, { slices, coefficients, weight: target }, {
        h: numSlices, size: matrix.size, firstSlice, sliceDtype: matrix.dtype, accumulate: firstSlice > 0,
      });
      const store: Op[] = this.isLastOf(run) ? [{ kind: 'copy', label: matrix.weightName, source: target, target: this.matrixView(weights, matrix) }] : [];
      submitOps(this.gpu, 'project', [op, ...store]);
    }
    return bytesRead;
  }

  /** Gradient of the loss with respect to the expert vector [m], from the gradients of the projected weights (same layout as the weights). */
  async vectorGradient(gradients: Arena): Promise<Float64Array> {
    const { h, m } = this.network;
    const { scratch, partials, gradient } = this.plan;
    const dVector = new Float64Array(m);
    for await (const { run, slices } of this.boundRuns()) {
      const { matrix, firstSlice, numSlices } = run;
      const dWeight: BufferView = { ...scratch, size: matrix.size * 4 };
      const load: Op[] = firstSlice === 0 ? [{ kind: 'copy', label: matrix.weightName, source: this.matrixView(gradients, matrix), target: dWeight }] : [];
      submitOps(this.gpu, 'project.backward', [...load, ...(await projectionBackward(this.gpu, { slices, dWeight, partials, dCoefficients: gradient }, {
        h: numSlices, size: matrix.size, firstSlice, sliceDtype: matrix.dtype,
      }))]);
      if (!this.isLastOf(run)) continue;
      const dCoefficients = await readFloats(this.gpu, gradient);
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
      const views = new Map(kept.map(({ run, view }) => [runKey(run), view]));
      for await (const { run, words } of this.reader.read(this.runs)) this.gpu.device.queue.writeBuffer(views.get(runKey(run))!.buffer, 0, words as Uint32Array<ArrayBuffer>);
      for (const [key, view] of views) this.resident.set(key, view);
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

  /** Every run of every matrix in turn: from the GPU where it is kept there, else from the file, read ahead while the GPU works and no faster than it takes them. */
  private async *boundRuns(signal?: AbortSignal): AsyncGenerator<BoundRun> {
    if (this.resident.size > 0) {
      for (const run of this.runs) {
        signal?.throwIfAborted();
        yield { run, slices: this.resident.get(runKey(run))!, storedBytes: 0 };
      }
      return;
    }
    const { staging } = this.plan;
    const { queue } = this.gpu.device;
    for await (const { run, lane, words, storedBytes } of this.reader.read(this.runs, signal)) {
      // A copy on its way to the GPU is memory, too: no more of them than there are lanes.
      await this.laneDone[lane];
      const view = staging[lane % staging.length];
      if (!this.readsIntoStaging) queue.writeBuffer(view.buffer, 0, words as Uint32Array<ArrayBuffer>);
      yield { run, slices: { ...view, size: words.byteLength }, storedBytes };
      const done = queue.onSubmittedWorkDone();
      done.catch(() => {});
      this.laneDone[lane] = done;
    }
    await Promise.all(this.laneDone);
  }

  private stagingMemory(lane: number): LaneMemory {
    const { buffer } = this.plan.staging[lane];
    const bytes = (length: number): Uint8Array => {
      const memory = hostBytesOf({ buffer, offset: 0, size: length });
      invariant(memory, 'memory that processor and device share stays so');
      return memory;
    };
    return { bytes, free: () => this.laneDone[lane] };
  }

  private isLastOf({ firstSlice, numSlices }: SliceRun): boolean {
    return firstSlice + numSlices === this.network.h;
  }

  private matrixView(arena: Arena, { weightName, size }: ProjectedMatrix): BufferView {
    return arena.range(slotOf(this.table, weightName).offset, size);
  }
}

const runKey = ({ matrix, firstSlice }: SliceRun): string => `${matrix.sliceTensor}.${firstSlice}`;
