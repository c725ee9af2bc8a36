// Generating text one token at a time with a key-value cache per layer. Batch of one, planned once; the position is data.
import type { ModelConfig } from '../config/modelConfig.ts';
import { createRandom } from '../core/random.ts';
import { BufferScope, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { settleOps, submitOps, type Op, type PendingOps } from '../gpu/dispatch.ts';
import { Readback } from '../gpu/readback.ts';
import { attentionDecode } from '../kernels/attentionDecode.ts';
import { embeddingForward } from '../kernels/embedding.ts';
import { gemm } from '../kernels/gemm.ts';
import { rmsnormForward } from '../kernels/rmsnorm.ts';
import { ropeDecode, ropeTable } from '../kernels/rope.ts';
import { swigluForward } from '../kernels/swiglu.ts';
import { Arena } from './arena.ts';
import { arenaViews } from './arenaViews.ts';
import { createParameterTable } from './parameters.ts';
import { sampleToken, type SamplingOptions } from './sampling.ts';

export interface GenerationOptions extends SamplingOptions {
  readonly maxTokens: number;
  readonly seed: number;
  /** Generation ends before this token. */
  readonly endOfText: number;
}

export class Generator {
  private readonly logitsBack: Float32Array;
  private readonly state = new Uint32Array(1);

  private constructor(
    private readonly gpu: Gpu,
    private readonly config: ModelConfig,
    private readonly token: BufferView,
    private readonly position: BufferView,
    /** Up to the last layer's keys and values and what follows from them; the head is left out. */
    private readonly readingOps: readonly Op[],
    /** To the logits, and those on their way back. */
    private readonly speakingOps: readonly Op[],
    private readonly readback: Readback,
    private readonly scope: BufferScope,
  ) {
    this.logitsBack = new Float32Array(config.vocabSize);
  }

  /** `weights`: a CPU arena in the layout of createParameterTable(config); copied to the GPU. @throws OutOfGpuMemoryError; then nothing stays allocated */
  static async create(gpu: Gpu, config: ModelConfig, weights: Float32Array, label: string): Promise<Generator> {
    const { hiddenSize: C, intermediateSize: F, numAttentionHeads: NH, headDim: HS, vocabSize: V, maxPositionEmbeddings: maxT, rmsNormEps: eps } = config;
    const scope = new BufferScope(gpu.buffers, `generate.${label}`);
    const arena = Arena.create(scope, 'weights', createParameterTable(config), gpu.device.limits);
    const w = arenaViews(config, arena);
    const floats = (name: string, length: number): BufferView => scope.floats(name, length);
    const token = floats('token', 1);
    const position = floats('position', 1);
    const cosSin = scope.upload('cosSin', ropeTable(maxT, HS, config.ropeTheta));
    const [x, sum, normed, attention, branch, rstd] = [floats('x', C), floats('sum', C), floats('normed', C), floats('attention', C), floats('branch', C), floats('rstd', 1)];
    const [qkv, gateUp, activation, logits] = [floats('qkv', 3 * C), floats('gateUp', 2 * F), floats('activation', F), floats('logits', V)];
    const norm = { rows: 1, hiddenSize: C, eps };
    const multiply = (a: BufferView, b: BufferView, c: BufferView, N: number, K: number): PendingOps => gemm(gpu, { a, b, c }, { form: 'NT', M: 1, N, K, accumulate: false });

    // The residual stream alternates between two buffers: a fused add reads one and writes the other.
    let [residual, spare] = [x, sum];
    const addAndNorm = (weight: BufferView): PendingOps => {
      const op = rmsnormForward(gpu, { x: residual, addend: branch, sum: spare, weight, y: normed, rstd }, norm);
      [residual, spare] = [spare, residual];
      return op;
    };
    const ops: PendingOps[] = [embeddingForward(gpu, { tokens: token, table: w.embedding, x }, { rows: 1, C, V })];
    for (const [layer, lw] of w.layers.entries()) {
      const keyCache = floats(`layer.${layer}.keys`, maxT * C);
      const valueCache = floats(`layer.${layer}.values`, maxT * C);
      ops.push(layer === 0 ? rmsnormForward(gpu, { x, weight: lw.inputNorm, y: normed, rstd }, norm) : addAndNorm(lw.inputNorm));
      ops.push(multiply(normed, lw.qkv, qkv, 3 * C, C));
      ops.push(ropeDecode(gpu, { qkv, cosSin, state: position }, { NH, HS }));
      ops.push(attentionDecode(gpu, { qkv, keyCache, valueCache, out: attention, state: position }, { NH, HS, maxT }));
      ops.push(multiply(attention, lw.output, branch, C, C));
      ops.push(addAndNorm(lw.postAttentionNorm));
      ops.push(multiply(normed, lw.gateUp, gateUp, 2 * F, C));
      ops.push(swigluForward(gpu, { gateUp, act: activation }, { rows: 1, F }));
      ops.push(multiply(activation, lw.down, branch, C, F));
    }
    const head = [addAndNorm(w.finalNorm), multiply(normed, w.embedding, logits, V, C)];
    const readingOps = await settleOps(ops);
    const readback = new Readback(gpu, `generate.${label}`, V * 4);
    const speakingOps = [...readingOps, ...(await settleOps(head)), readback.copyOf(logits, 0)];
    try {
      await scope.allocated();
      await readback.allocated();
      await arena.write(gpu, weights);
    } catch (error) {
      readback.destroy();
      scope.destroy();
      throw error;
    }
    return new Generator(gpu, config, token, position, readingOps, speakingOps, readback, scope);
  }

  /** Runs one token at `position` and returns the logits [V] of the next, in an array that the next call overwrites. */
  async logitsAfter(token: number, position: number): Promise<Float32Array> {
    this.run(token, position, this.speakingOps);
    await this.readback.receive(this.logitsBack);
    return this.logitsBack;
  }

  /** Submits one token at `position`. */
  private run(token: number, position: number, ops: readonly Op[]): void {
    const { queue } = this.gpu.device;
    this.state[0] = token;
    queue.writeBuffer(this.token.buffer, this.token.offset, this.state);
    this.state[0] = position;
    queue.writeBuffer(this.position.buffer, this.position.offset, this.state);
    submitOps(this.gpu, 'generate', ops);
  }

  /**
   * Yields sampled token ids after `prompt` (at least one token; only its last tokens are read if it does not leave room in the context). Ends at
   * endOfText, after maxTokens, or when the context is full.
   */
  async *generate(prompt: readonly number[], options: GenerationOptions): AsyncGenerator<number> {
    const context = this.config.maxPositionEmbeddings;
    const random = createRandom(options.seed);
    const room = Math.min(options.maxTokens, context - 1);
    const kept = prompt.slice(-Math.max(1, context - room));
    let position = 0;
    // Of the prompt only the last token's logits are wanted: the others just fill the caches, and nobody waits for them.
    for (const token of kept.slice(0, -1)) this.run(token, position++, this.readingOps);
    let logits = await this.logitsAfter(kept[kept.length - 1], position++);
    for (let count = 0; count < options.maxTokens; count++) {
      const next = sampleToken(logits, options, random);
      if (next === options.endOfText) return;
      yield next;
      if (position >= context) return;
      logits = await this.logitsAfter(next, position++);
    }
  }

  destroy(): void {
    this.readback.destroy();
    this.scope.destroy();
  }
}
