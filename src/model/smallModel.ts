// The small model on the GPU for one batch shape: its weights, and (for training) gradients, with both passes planned once and replayed.
// Everything a caller hands in is copied; everything it gets back is on the CPU.
import type { ModelConfig } from '../config/modelConfig.ts';
import { formatBytes } from '../core/format.ts';
import { UserError, invariant } from '../core/invariant.ts';
import { BufferScope, type BufferView, type Storage } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps, type Op } from '../gpu/dispatch.ts';
import { Readback } from '../gpu/readback.ts';
import { packDistillationMix, type DistillationMix } from '../kernels/distillation.ts';
import { sortRowsByToken, sortedStartsLength } from '../kernels/embedding.ts';
import { NUM_STEP_SCALARS, STEP_SCALARS } from '../kernels/stepScalars.ts';
import { Arena } from './arena.ts';
import { arenaViews, type ArenaViews } from './arenaViews.ts';
import { planBackward, type BackwardPlan } from './backward.ts';
import { createForwardBuffers, evaluationBuffers, planForward, type BatchShape, type ForwardPlan, type KeptActivations } from './forward.ts';
import { planHalfWeights } from './halfWeights.ts';
import { headChunkRows, planHead, type TeacherHead } from './head.ts';
import { createParameterTable, type ParameterTable } from './parameters.ts';

/** Whom a student learns from beside its targets, and how much. */
export interface Teacher extends DistillationMix {
  /** Of any size, with the student's vocabulary and batch shape; made for evaluation. Whoever made it destroys it, after the student. */
  readonly model: SmallModel;
}

export interface SmallModelOptions {
  /** Gradients and the backward pass. */
  readonly train: boolean;
  /** Keeps each layer's input only and computes the rest again in the backward pass: less memory for the time of one more forward pass. */
  readonly recompute?: boolean;
  /** Makes the training loss that of distillation (kernels/distillation.ts); evaluation stays the targets' own loss. Only with `train`. */
  readonly teacher?: Teacher;
  /**
   * How a training step stores activations, their gradients and the weights that products read: f32 unless given. Halves are only ever in memory: sums, the residual stream, master weights and
   * optimizer stay f32, and so does evaluation. They want a loss scale (training/lossScale.ts), or small gradients are lost. Only with `train`.
   */
  readonly storage?: Storage;
}

const keptActivations = (train: boolean, recompute: boolean): KeptActivations => (!train ? 'none' : recompute ? 'inputs' : 'all');

interface TrainingParts {
  readonly gradients: Arena;
  readonly backward: BackwardPlan;
  /** A micro-batch's gradients added to what is there. */
  readonly ops: readonly Op[];
  /** The same at the start of a step: gradients are cleared first and, where they are stored as halves, weights copied. */
  readonly clearingOps: readonly Op[];
  readonly order: Uint32Array<ArrayBuffer>;
  readonly starts: Uint32Array<ArrayBuffer>;
  readonly teacher?: { readonly model: SmallModel; readonly mix: BufferView };
}

export class SmallModel {
  private constructor(
    readonly gpu: Gpu,
    readonly config: ModelConfig,
    readonly shape: BatchShape,
    readonly table: ParameterTable,
    readonly storage: Storage,
    readonly weights: Arena,
    /** f32 buffer of per-step numbers; see kernels/stepScalars.ts. */
    readonly scalars: BufferView,
    /** [N] nats of the batch that ran last: of its targets after `evaluate`, of what is trained on (a teacher's share included) after `accumulateGradients`. */
    readonly losses: BufferView,
    private readonly targets: BufferView,
    private readonly forward: ForwardPlan,
    private readonly evaluationOps: readonly Op[],
    private readonly training: TrainingParts | undefined,
    private readonly lossReadback: Readback,
    private readonly scope: BufferScope,
  ) {}

  /**
   * @throws OutOfGpuMemoryError when the adapter has no room for it, UserError when a weight or an activation does not fit the adapter's limits or the teacher has
   *   another vocabulary; then nothing stays allocated
   */
  static async create(gpu: Gpu, config: ModelConfig, shape: BatchShape, { train, recompute = false, teacher, storage = 'f32' }: SmallModelOptions): Promise<SmallModel> {
    invariant(config.numAttentionHeads * config.headDim === config.hiddenSize, 'heads times head size is the hidden size');
    invariant(train || storage === 'f32', 'a model made for evaluation is stored as f32');
    const mix = teacher && packDistillationMix(teacher);
    if (teacher) checkTeaches(teacher.model, config, shape, train);
    const table = createParameterTable(config);
    checkActivationsFit(gpu, config, shape);
    const rows = shape.batchSize * shape.seqLen;
    const scope = new BufferScope(gpu.buffers, train ? 'train' : 'evaluate');
    const weights = Arena.create(scope, 'weights', table, gpu.device.limits);
    const scalars = scope.floats('scalars', NUM_STEP_SCALARS);
    const losses = scope.floats('losses', rows);
    const targets = scope.floats('targets', rows);
    const views = arenaViews(config, weights);
    const halves = storage === 'f16' ? await planHalfWeights(gpu, views, scope) : undefined;
    const read: ArenaViews = halves?.views ?? views;
    const kept = keptActivations(train, recompute);
    const buffers = createForwardBuffers(gpu, config, shape, scope, { kept, storage });
    const forward = await planForward(gpu, config, shape, { table: views.embedding, weights: read }, buffers, { kept });
    const evaluated = halves
      ? await planForward(gpu, config, shape, { table: views.embedding, weights: views }, evaluationBuffers(gpu, config, shape, buffers, scope), { kept: 'none' })
      : forward;
    const head = { hidden: forward.hidden, embedding: read.embedding, targets, losses };
    const evaluationOps = [...evaluated.ops, ...(await planHead(gpu, config, rows, { ...head, hidden: evaluated.hidden, embedding: views.embedding }, scope))];
    let training: TrainingParts | undefined;
    if (train) {
      const gradients = Arena.create(scope, 'gradients', table, gpu.device.limits);
      const gradientViews = arenaViews(config, gradients);
      const dHidden = scope.numbers('dHidden', rows * config.hiddenSize, storage);
      const teacherHead = teacher && mix && { ...teacher.model.headInputs, mix: scope.upload('distillationMix', mix) };
      const headOps = await planHead(gpu, config, rows, head, scope, { dHidden, dEmbedding: gradientViews.embedding, scalars, teacher: teacherHead });
      const backward = await planBackward(gpu, config, shape, forward, read, gradientViews, dHidden, scope, storage);
      const teacherOps = teacher ? teacher.model.forward.ops : [];
      const ops = [...teacherOps, ...forward.ops, ...headOps, ...backward.ops];
      const clears = gradients.parts.map((view): Op => ({ kind: 'clear', label: 'gradients', view }));
      training = {
        gradients, backward, ops, clearingOps: [...clears, ...(halves?.ops ?? []), ...ops],
        order: new Uint32Array(rows), starts: new Uint32Array(sortedStartsLength(rows)),
        teacher: teacherHead && { model: teacher.model, mix: teacherHead.mix },
      };
    }
    const model = new SmallModel(gpu, config, shape, table, storage, weights, scalars, losses, targets, forward, evaluationOps, training, new Readback(gpu, 'losses', rows * 4), scope);
    await model.allocated();
    return model;
  }

  get rows(): number {
    return this.shape.batchSize * this.shape.seqLen;
  }

  /** The gradient arena; same layout as `weights`. */
  get gradients(): Arena {
    invariant(this.training, 'a model made for evaluation has no gradients');
    return this.training.gradients;
  }

  /** What a student's head reads of this model as its teacher: views to read, of which `computeHidden` fills `hidden`. */
  get headInputs(): Omit<TeacherHead, 'mix'> {
    const { embedding } = arenaViews(this.config, this.weights);
    return { hidden: this.forward.hidden, embedding, hiddenSize: this.config.hiddenSize };
  }

  /** Replaces all weights by a CPU arena (see packArena); nothing may run on this model, and the array must stay as it is, until this resolves. */
  loadWeights(arena: Float32Array): Promise<void> {
    return this.weights.write(this.gpu, arena);
  }

  /** A CPU copy of the weights; nothing may change them before this resolves. */
  readWeights(): Promise<Float32Array> {
    return this.weights.read(this.gpu);
  }

  /** Loss in nats of every row [N] under the present weights; 0 for ignored targets. `tokens` and `targets`: [B * T]. */
  async evaluate(tokens: Uint32Array, targets: Uint32Array): Promise<Float32Array> {
    this.writeBatch(tokens, targets);
    submitOps(this.gpu, 'evaluate', this.evaluationOps);
    return this.lossReadback.readFloats(this.losses);
  }

  /** Operations that add the gradients of the micro-batch last written (writeMicroBatch), a teacher's forward pass among them: gradients += scalars.lossScale * d(sum of losses). `clear` begins a step. */
  gradientOps({ clear }: { readonly clear: boolean }): readonly Op[] {
    const { training } = this;
    invariant(training, 'a model made for evaluation cannot train');
    return clear ? training.clearingOps : training.ops;
  }

  /** Hands the GPU what gradientOps read: tokens and targets [B * T]. */
  writeMicroBatch(tokens: Uint32Array, targets: Uint32Array): void {
    const { training } = this;
    invariant(training, 'a model made for evaluation cannot train');
    training.teacher?.model.writeTokens(tokens);
    this.writeBatch(tokens, targets);
    sortRowsByToken(tokens, training.order, training.starts);
    this.write(training.backward.order, training.order);
    this.write(training.backward.starts, training.starts);
  }

  /** Both for one micro-batch, submitted. Losses stay on the GPU. */
  accumulateGradients(tokens: Uint32Array, targets: Uint32Array, options: { readonly clear: boolean }): void {
    this.writeMicroBatch(tokens, targets);
    submitOps(this.gpu, 'gradients', this.gradientOps(options));
  }

  /** Factor on every target's loss gradient, for gradients without an optimizer step (which sets all scalars itself). */
  setLossScale(lossScale: number): void {
    const { buffer, offset } = this.scalars;
    this.gpu.device.queue.writeBuffer(buffer, offset + STEP_SCALARS.lossScale * 4, Float32Array.of(lossScale));
  }

  /** How much the teacher counts from the next micro-batch on. @throws Error without a teacher, or when a number is out of its range */
  setDistillation(mix: DistillationMix): void {
    const teacher = this.training?.teacher;
    invariant(teacher, 'a model made without a teacher has no distillation to set');
    this.write(teacher.mix, packDistillationMix(mix));
  }

  /** Mean nats per token of the micro-batch that accumulateGradients ran last; every row must have had a target. Waits for the GPU. */
  async meanLoss(): Promise<number> {
    const losses = await this.lossReadback.readFloats(this.losses);
    return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  }

  destroy(): void {
    this.lossReadback.destroy();
    this.scope.destroy();
  }

  private async allocated(): Promise<void> {
    try {
      await this.scope.allocated();
      await this.lossReadback.allocated();
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  private writeBatch(tokens: Uint32Array, targets: Uint32Array): void {
    invariant(targets.length === this.rows, `a batch has ${this.rows} targets`);
    this.writeTokens(tokens);
    this.write(this.targets, targets);
  }

  private writeTokens(tokens: Uint32Array): void {
    invariant(tokens.length === this.rows, `a batch has ${this.rows} tokens`);
    this.write(this.forward.tokens, tokens);
  }

  private write(view: BufferView, data: Float32Array | Uint32Array): void {
    this.gpu.device.queue.writeBuffer(view.buffer, view.offset, data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  }
}

function checkTeaches(teacher: SmallModel, config: ModelConfig, shape: BatchShape, train: boolean): void {
  invariant(train, 'a model made for evaluation has no teacher');
  invariant(teacher.shape.batchSize === shape.batchSize && teacher.shape.seqLen === shape.seqLen, 'teacher and student see the same batches');
  if (teacher.config.vocabSize !== config.vocabSize) {
    throw new UserError(`The teacher's vocabulary has ${teacher.config.vocabSize} tokens but the student's ${config.vocabSize}; distillation compares the same tokens.`);
  }
}

function checkActivationsFit(gpu: Gpu, config: ModelConfig, { batchSize, seqLen }: BatchShape): void {
  const { limits } = gpu.device;
  const rows = batchSize * seqLen;
  const sizes: [string, number][] = [
    ['the MLP activations of one layer', rows * 2 * config.intermediateSize * 4],
    ['the attention activations of one layer', rows * 3 * config.hiddenSize * 4],
    ['one chunk of logits', headChunkRows(rows, config.vocabSize, limits) * config.vocabSize * 4],
  ];
  for (const [what, bytes] of sizes) {
    if (bytes > limits.maxBufferSize) throw new UserError(`This graphics adapter allows buffers of ${formatBytes(limits.maxBufferSize)}, but ${what} takes ${formatBytes(bytes)}; choose a smaller batch or window.`);
    if (bytes > limits.maxStorageBufferBindingSize) {
      throw new UserError(`This graphics adapter binds at most ${formatBytes(limits.maxStorageBufferBindingSize)} at once, but ${what} takes ${formatBytes(bytes)}; choose a smaller batch or window.`);
    }
  }
}
