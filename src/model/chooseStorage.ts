// How a model in training stores what SmallModelOptions.storage says: f32, unless halves have computed the right numbers on this adapter, measured faster for the model's shapes and take
// no more memory. Measured once per adapter, model and batch shape, and remembered as kernels' variants are (kernels/kernelChoices.ts). Halves need no feature of the adapter
// (kernels/storageWgsl.ts).
import { modelWeights, type ModelConfig } from '../config/modelConfig.ts';
import { numElements } from '../core/tensor.ts';
import { BufferScope, type BufferView, type Storage } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import type { DispatchOp } from '../gpu/dispatch.ts';
import { WEBASSEMBLY_FEATURE } from '../gpu/pipelines.ts';
import { attentionBackward, attentionForward, attentionScratchFloats, chosenAttentionVariant } from '../kernels/attention.ts';
import { gemm, supportedVariants } from '../kernels/gemm.ts';
import { computesHalves } from '../kernels/halvesGate.ts';
import { rememberChoice, rememberedChoice } from '../kernels/kernelChoices.ts';
import { OpTimer, repeatsFor } from '../kernels/opTimer.ts';
import { attentionShape, type BatchShape } from './forward.ts';
import { gemmUses } from './gemmShapes.ts';
import { measuresKernels, tuneProducts } from './tuneKernels.ts';

/** For the variants of products over halves, in milliseconds: with tuneKernels' own, and the measurement after it, within two seconds. */
const TUNING_BUDGET_MS = 400;
const ROUNDS = 2;
/** Of f32's time: less of a gain may be the clock's noise. */
const CLEARLY_FASTER = 0.97;

const STORAGES = ['f32', 'f16'] as const satisfies readonly Storage[];

/** Milliseconds of the products and the attention of a training step. */
export type StorageMeasurement = Readonly<Record<Storage, number>>;

function storageKey({ vocabSize: V, hiddenSize: C, intermediateSize: F, numHiddenLayers: L, numAttentionHeads: NH }: ModelConfig, { batchSize: B, seqLen: T }: BatchShape): string {
  return `storage ${V} ${C} ${F} ${L} ${NH} ${B} ${T}`;
}

export interface StoredShape extends BatchShape {
  readonly recomputeActivations: boolean;
}

/**
 * Bytes of GPU memory that a model in training takes less with halves; attention's scratch, which they never have more of, not counted. Below 0 where they save less than the copy of the weights
 * and the activations of evaluation take, which stays f32: few tokens at once, many weights.
 */
export function savedBytes(config: ModelConfig, { batchSize, seqLen, recomputeActivations }: StoredShape): number {
  const { hiddenSize: C, intermediateSize: F, numHiddenLayers: L } = config;
  const rows = batchSize * seqLen;
  const perLayer = 6 * C + 3 * F;
  const gradients = 4 * C + 3 * F;
  // What the head reads, and its gradient.
  const hidden = 2 * C;
  const saved = 2 * rows * ((recomputeActivations ? 1 : L) * perLayer + gradients + hidden);
  const copied = modelWeights(config).reduce((sum, { shape, decays }) => sum + (decays ? 2 * numElements(shape) : 0), 0);
  const evaluation = 4 * rows * (perLayer + C);
  return saved - copied - evaluation;
}

/**
 * Halves are never chosen unmeasured, and software adapters measure nothing (tuneKernels.ts); the WebAssembly engine has f32 alone. And never for more memory: so the plan in f32, which is all
 * that a memory check knows before the measurement, is never too small, and a run that fits in f32 is not refused for being faster.
 */
export const mayStoreHalves = (gpu: Gpu, config: ModelConfig, shape: StoredShape): boolean =>
  measuresKernels(gpu) && !gpu.without.has('halfStorage') && !gpu.device.features.has(WEBASSEMBLY_FEATURE) && savedBytes(config, shape) >= 0;

function rememberedStorage(gpu: Gpu, config: ModelConfig, shape: BatchShape): Storage | undefined {
  const remembered = rememberedChoice(gpu, storageKey(config, shape));
  return STORAGES.find((storage) => storage === remembered);
}

/** What training stores, planned now. */
export const chosenStorage = (gpu: Gpu, config: ModelConfig, shape: StoredShape): Storage => (mayStoreHalves(gpu, config, shape) && rememberedStorage(gpu, config, shape)) || 'f32';

/** Whether a measurement has yet to tell. */
export const isStorageOpen = (gpu: Gpu, config: ModelConfig, shape: StoredShape): boolean => mayStoreHalves(gpu, config, shape) && !rememberedStorage(gpu, config, shape);

/** Remembers what a measurement found. */
export function rememberStorage(gpu: Gpu, config: ModelConfig, shape: BatchShape, storage: Storage): void {
  rememberChoice(gpu, storageKey(config, shape), storage);
}

/** Measures both where that is open, and remembers the faster. Products over f32 should have been tuned before. @returns undefined where nothing was measured @throws OutOfGpuMemoryError */
export async function tuneStorage(gpu: Gpu, config: ModelConfig, shape: StoredShape): Promise<StorageMeasurement | undefined> {
  if (!isStorageOpen(gpu, config, shape)) return undefined;
  const uses = gemmUses(gpu.device.limits, config, shape, { train: true, storage: 'f16' });
  if (!uses.every((use) => supportedVariants(gpu, use).length > 0) || !(await computesHalves(gpu))) {
    rememberStorage(gpu, config, shape, 'f32');
    return undefined;
  }
  await tuneProducts(gpu, uses, TUNING_BUDGET_MS);
  const measured = await measureStorages(gpu, config, shape);
  rememberStorage(gpu, config, shape, measured.f16 < CLEARLY_FASTER * measured.f32 ? 'f16' : 'f32');
  return measured;
}

/** A part of a step in both storages, and how often a step has it. */
interface Part {
  readonly count: number;
  readonly ops: Readonly<Record<Storage, readonly DispatchOp[]>>;
}

/**
 * Norms, activations and the copying of weights, all bound by memory, are left out: with halves the first two move fewer bytes and the last is extra.
 * Part by part in turn, so that what disturbs one disturbs both; nothing but a part's own buffers is on the GPU.
 */
async function measureStorages(gpu: Gpu, config: ModelConfig, shape: BatchShape): Promise<StorageMeasurement> {
  const total = { f32: 0, f16: 0 };
  const timer = new OpTimer(gpu);
  try {
    for (const plan of stepParts(gpu, config, shape)) {
      const scope = new BufferScope(gpu.buffers, 'storage');
      try {
        const { count, ops } = await plan(scope);
        await scope.allocated();
        const least = { f32: Infinity, f16: Infinity };
        // Once to warm up and to know how often to repeat.
        const alone = { f32: await timer.milliseconds(ops.f32, 1), f16: await timer.milliseconds(ops.f16, 1) };
        for (let round = 0; round < ROUNDS; round++) {
          for (const storage of STORAGES) {
            const repeats = repeatsFor(alone[storage]);
            least[storage] = Math.min(least[storage], (await timer.milliseconds(ops[storage], repeats)) / repeats);
          }
        }
        for (const storage of STORAGES) total[storage] += count * least[storage];
      } finally {
        scope.destroy();
      }
    }
  } finally {
    timer.destroy();
  }
  return total;
}

function stepParts(gpu: Gpu, config: ModelConfig, shape: BatchShape): ((scope: BufferScope) => Promise<Part>)[] {
  const [floats, halves] = STORAGES.map((storage) => gemmUses(gpu.device.limits, config, shape, { train: true, storage }));
  const products = floats.map((use, index) => async (scope: BufferScope): Promise<Part> => {
    const { form, M, N, K, count } = use;
    const planned = ({ a, b, c }: NonNullable<typeof use.storage>): Promise<DispatchOp> => {
      const buffers = { a: scope.numbers('a', M * K, a ?? 'f32'), b: scope.numbers('b', N * K, b ?? 'f32'), c: scope.numbers('c', M * N, c ?? 'f32') };
      return gemm(gpu, buffers, { form, M, N, K, accumulate: form === 'TN' });
    };
    return { count, ops: { f32: [await planned({})], f16: [await planned(halves[index].storage ?? {})] } };
  });
  const attention = async (scope: BufferScope): Promise<Part> => {
    const [f32, f16] = await Promise.all(STORAGES.map((storage) => attentionOps(gpu, config, shape, scope, storage)));
    return { count: config.numHiddenLayers, ops: { f32, f16 } };
  };
  return [...products, attention];
}

async function attentionOps(gpu: Gpu, config: ModelConfig, shape: BatchShape, scope: BufferScope, storage: Storage): Promise<DispatchOp[]> {
  const heads = attentionShape(config, shape);
  const { B, T, NH, HS } = heads;
  const variant = chosenAttentionVariant(gpu, heads, storage);
  const numbers = (name: string, perHead: number): BufferView => scope.numbers(name, B * T * NH * HS * perHead, storage);
  const scratch = (name: string): BufferView => scope.floats(name, attentionScratchFloats(gpu, heads, variant));
  const buffers = {
    qkv: numbers('qkv', 3), out: numbers('out', 1), dOut: numbers('dOut', 1), dQkv: numbers('dQkv', 3), lse: scope.floats('lse', B * NH * T), delta: scope.floats('delta', B * NH * T),
    scratch: scratch('scores'), gradientScratch: scratch('dScores'),
  };
  return [...(await attentionForward(gpu, buffers, heads, variant)), ...(await attentionBackward(gpu, buffers, heads, variant))];
}
