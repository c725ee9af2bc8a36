// Generating text one token at a time with a key-value cache per layer. Batch of one, planned once: about five dispatches a layer. The device chooses each token itself and goes on with it (kernels/sampling.ts), so tokens are
// made in groups of which only the ids come back, and the next group is under way while one is read.
import type { ModelConfig } from '../config/modelConfig.ts';
import { createRandom } from '../core/random.ts';
import { BufferScope, subview, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { settleOps, submitOps, type Op, type PendingOps } from '../gpu/dispatch.ts';
import { Readback, readFloats } from '../gpu/readback.ts';
import { attentionDecode } from '../kernels/attentionDecode.ts';
import { embeddingDecode } from '../kernels/embedding.ts';
import { gemm } from '../kernels/gemm.ts';
import { ropeTable } from '../kernels/rope.ts';
import { advancePosition, chooseToken, packSamplingOptions, PADDING_LOGIT, paddedLogits, type SamplingOptions } from '../kernels/sampling.ts';
import { normProduct, normQkv, normSwiglu } from '../kernels/vectorProduct.ts';
import { Arena } from './arena.ts';
import { arenaViews, type ArenaViews } from './arenaViews.ts';
import { GroupPace } from './groupPace.ts';
import { createParameterTable } from './parameters.ts';
import { LEAST_TOKENS_AT_ONCE, PromptReader, type KeyValueCache } from './promptReader.ts';

export interface GenerationOptions extends SamplingOptions {
  readonly maxTokens: number;
  readonly seed: number;
  /** Generation ends before this token. */
  readonly endOfText: number;
}

interface Views {
  /** u32 [maxT + 1]: the prompt and what follows it. */
  readonly tokens: BufferView;
  /** u32 [2] as sampling.ts says. */
  readonly state: BufferView;
  /** As packSamplingOptions says. */
  readonly options: BufferView;
  /** [maxT] */
  readonly draws: BufferView;
  /** [paddedLogits(V)] */
  readonly logits: BufferView;
}

interface Plan {
  readonly weights: ArenaViews;
  readonly caches: readonly KeyValueCache[];
  /** Up to the last layer's keys and values and what follows from them; the head is left out. */
  readonly reading: readonly Op[];
  readonly head: Op;
  readonly advance: Op;
  readonly choose: Op;
}

/** Where a group's ids come back: tokens, then state. Two of them, in turn. */
class Arrivals {
  private readonly words: Uint32Array;
  private readonly floats: Float32Array;
  readonly readback: Readback;
  readonly copies: readonly Op[];

  constructor(gpu: Gpu, label: string, { tokens, state }: Views) {
    this.readback = new Readback(gpu, label, tokens.size + state.size);
    this.copies = [this.readback.copyOf(tokens, 0), this.readback.copyOf(state, tokens.size)];
    const bytes = new ArrayBuffer(tokens.size + state.size);
    [this.words, this.floats] = [new Uint32Array(bytes), new Float32Array(bytes)];
  }

  /** Waits for what was submitted last. @throws Error when logits were not finite, so that a broken model never looks like a fluent one */
  async receive(): Promise<Uint32Array> {
    await this.readback.receive(this.floats);
    const broken = this.words[this.words.length - 1];
    if (broken > 0) throw new Error(`The model's output is not finite after token ${broken - 1}`);
    return this.words;
  }
}

export class Generator {
  private constructor(
    private readonly gpu: Gpu,
    private readonly config: ModelConfig,
    private readonly views: Views,
    private readonly plan: Plan,
    private readonly promptReader: PromptReader,
    private readonly arrivals: readonly Arrivals[],
    private readonly scope: BufferScope,
  ) {}

  /** `weights`: a CPU arena in the layout of createParameterTable(config); copied to the GPU. @throws OutOfGpuMemoryError; then nothing stays allocated */
  static async create(gpu: Gpu, config: ModelConfig, weights: Float32Array, label: string): Promise<Generator> {
    const { vocabSize: V, maxPositionEmbeddings: maxT } = config;
    const scope = new BufferScope(gpu.buffers, `generate.${label}`);
    const views: Views = {
      tokens: scope.floats('tokens', maxT + 1),
      state: scope.floats('state', 2),
      options: scope.floats('options', 3),
      draws: scope.floats('draws', maxT),
      logits: scope.upload('logits', new Float32Array(paddedLogits(V)).fill(PADDING_LOGIT)),
    };
    const arena = Arena.create(scope, 'weights', createParameterTable(config), gpu.device.limits);
    const plan = await planToken(gpu, config, arena, views, scope);
    const arrivals = [0, 1].map((index) => new Arrivals(gpu, `generate.${label}.${index}`, views));
    try {
      await scope.allocated();
      for (const { readback } of arrivals) await readback.allocated();
      await arena.write(gpu, weights);
    } catch (error) {
      for (const { readback } of arrivals) readback.destroy();
      scope.destroy();
      throw error;
    }
    const promptReader = new PromptReader(gpu, config, plan.weights, views.tokens, plan.caches, `generate.${label}`);
    return new Generator(gpu, config, views, plan, promptReader, arrivals, scope);
  }

  /** Runs one token at `position`, whose predecessors have run, and returns the logits [V] of the next. */
  async logitsAfter(token: number, position: number): Promise<Float32Array> {
    const { tokens, state, logits } = this.views;
    this.write(subview(tokens, position, 1), Uint32Array.of(token));
    this.write(state, Uint32Array.of(position, 0));
    submitOps(this.gpu, 'generate.logits', [...this.plan.reading, this.plan.head]);
    return (await readFloats(this.gpu, logits)).subarray(0, this.config.vocabSize);
  }

  /**
   * Yields the token ids that follow `prompt` (at least one token; only its last tokens are read if it does not leave room in the context), in groups of one and more as they are made. Ends at endOfText, after maxTokens, or when the
   * context is full. How they are grouped depends on the device's speed, what they are does not. @throws Error when the model's output is not finite
   */
  async *generate(prompt: readonly number[], options: GenerationOptions): AsyncGenerator<readonly number[]> {
    const context = this.config.maxPositionEmbeddings;
    const room = Math.min(options.maxTokens, context - 1);
    const kept = prompt.slice(-Math.max(1, context - room));
    // The context's last token still gives a next one.
    const total = Math.min(options.maxTokens, context + 1 - kept.length);
    if (total <= 0) return;
    await this.begin(kept, options, total);
    const pace = new GroupPace();
    let numSubmitted = 0;
    /** Submits the next group, if there is one, and gives what will be there of it: [from, end) of the sequence. */
    const submitGroup = (turn: number): { readonly end: number; readonly words: Promise<Uint32Array> } | undefined => {
      const size = Math.min(pace.nextSize(), total - numSubmitted);
      if (size === 0) return undefined;
      numSubmitted += size;
      const { reading, head, choose } = this.plan;
      const arrival = this.arrivals[turn % 2];
      submitOps(this.gpu, 'generate.group', [...repeated(size, [...reading, head, choose]), ...arrival.copies]);
      const words = arrival.receive();
      // Heard when it is its turn, or not at all.
      words.catch(() => {});
      return { end: kept.length + numSubmitted, words };
    };
    let from = kept.length;
    let turn = 0;
    let group = submitGroup(turn++);
    let next: typeof group;
    try {
      for (; group; group = next) {
        next = submitGroup(turn++);
        const ids = [...(await group.words).subarray(from, group.end)];
        pace.arrived(ids.length);
        from = group.end;
        const stop = ids.indexOf(options.endOfText);
        if (stop !== 0) yield stop < 0 ? ids : ids.slice(0, stop);
        if (stop >= 0) return;
      }
    } finally {
      // However it ends: buffers that are on their way back must have arrived before they are used again.
      await Promise.allSettled([group?.words, next?.words]);
    }
  }

  /** Reads the prompt but its last token, and puts what chooses the next `total` ones in place. */
  private async begin(prompt: readonly number[], options: GenerationOptions, total: number): Promise<void> {
    const random = createRandom(options.seed);
    const draws = new Float32Array(this.config.maxPositionEmbeddings);
    for (let i = 0; i < total; i++) draws[prompt.length - 1 + i] = random.next();
    const { views, plan } = this;
    const numRead = prompt.length - 1;
    const atOnce = numRead >= LEAST_TOKENS_AT_ONCE ? await this.promptReader.ops(numRead) : undefined;
    this.write(views.draws, draws);
    this.write(views.options, packSamplingOptions(options));
    this.write(views.tokens, Uint32Array.from(prompt));
    this.write(views.state, Uint32Array.of(atOnce ? numRead : 0, 0));
    // All that is wanted of it is in the caches, and nobody waits for it.
    submitOps(this.gpu, 'generate.prompt', atOnce ?? repeated(numRead, [...plan.reading, plan.advance]));
  }

  private write(view: BufferView, data: Float32Array | Uint32Array): void {
    this.gpu.device.queue.writeBuffer(view.buffer, view.offset, data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  }

  destroy(): void {
    for (const { readback } of this.arrivals) readback.destroy();
    this.promptReader.destroy();
    this.scope.destroy();
  }
}

function repeated(count: number, ops: readonly Op[]): Op[] {
  return Array.from({ length: count }, () => ops).flat();
}

/** The operations of one token: tokens[state[0]] in, keys and values cached, logits out, the next token chosen. */
async function planToken(gpu: Gpu, config: ModelConfig, arena: Arena, { tokens, state, options, draws, logits }: Views, scope: BufferScope): Promise<Plan> {
  const { hiddenSize: C, intermediateSize: F, numAttentionHeads: NH, headDim: HS, vocabSize: V, maxPositionEmbeddings: maxT, rmsNormEps: eps } = config;
  const w = arenaViews(config, arena);
  const floats = (name: string, length: number): BufferView => scope.floats(name, length);
  const cosSin = scope.upload('cosSin', ropeTable(maxT, HS, config.ropeTheta));
  const [x, query, attention, activation] = [floats('x', C), floats('query', C), floats('attention', C), floats('activation', F)];
  const weights = floats('weights of tokens', paddedLogits(V));
  /** x += w . a: the branch joins the residual stream. */
  const addProduct = (a: BufferView, w: BufferView, K: number): PendingOps => gemm(gpu, { a, b: w, c: x }, { form: 'NT', M: 1, N: C, K, accumulate: true });
  const ops: PendingOps[] = [embeddingDecode(gpu, { tokens, table: w.embedding, x, state }, { C, V })];
  const caches = w.layers.map((_, layer) => ({ keys: floats(`layer.${layer}.keys`, maxT * C), values: floats(`layer.${layer}.values`, maxT * C) }));
  for (const [layer, lw] of w.layers.entries()) {
    const { keys: keyCache, values: valueCache } = caches[layer];
    ops.push(normQkv(gpu, { x, normWeight: lw.inputNorm, w: lw.qkv, cosSin, state, query, keyCache, valueCache }, { NH, HS, K: C, eps }));
    ops.push(attentionDecode(gpu, { query, keyCache, valueCache, out: attention, state }, { NH, HS, maxT }));
    ops.push(addProduct(attention, lw.output, C));
    ops.push(normSwiglu(gpu, { x, normWeight: lw.postAttentionNorm, w: lw.gateUp, activation }, { F, K: C, eps }));
    ops.push(addProduct(activation, lw.down, F));
  }
  const head = normProduct(gpu, { x, normWeight: w.finalNorm, w: w.embedding, y: logits }, { N: V, K: C, eps });
  const choose = chooseToken(gpu, { logits, options, draws, weights, tokens, state }, { V });
  return { weights: w, caches, reading: await settleOps(ops), head: await head, advance: await advancePosition(gpu, { state }), choose: await choose };
}
