// The step that every contestant takes: the nano model's shape, the same weights and batches from one seed, the same optimizer settings.
import { createRandom } from '../../src/core/random.ts';
import { modelWeights, type WeightSpec } from '../../src/config/modelConfig.ts';
import { modelConfigOf, type BenchConfig } from '../../src/pages/benchHarness.ts';

export interface Contestant {
  readonly name: string;
  /** One optimizer step on a batch [batchSize, seqLen + 1], waited for until the weights are updated; its loss before the update, nats per token. */
  step(batch: Int32Array): Promise<number>;
  dispose(): void;
}

/** Tensor name (Llama naming) to values. */
export type Weights = ReadonlyMap<string, Float32Array<ArrayBuffer>>;

export const NANO: BenchConfig = {
  vocabSize: 4096,
  hiddenSize: 128,
  numHiddenLayers: 4,
  numAttentionHeads: 4,
  intermediateSize: 384,
  seqLen: 128,
  batchSize: 4,
};

/** The larger workload: vocabulary 8,192, width 256, six layers. */
export const SMALL: BenchConfig = {
  vocabSize: 8192,
  hiddenSize: 256,
  numHiddenLayers: 6,
  numAttentionHeads: 4,
  intermediateSize: 768,
  seqLen: 256,
  batchSize: 4,
};

export const WORKLOADS: Readonly<Record<string, BenchConfig>> = { nano: NANO, small: SMALL };

export const OPTIMIZER = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 };
export const LEARNING_RATE = 1e-3;

export const weightSpecs = (config: BenchConfig): WeightSpec[] => modelWeights(modelConfigOf(config));

/** Normal weights large enough that attention and MLP shape the loss; norms near one. */
export function createWeights(config: BenchConfig, seed: number): Weights {
  const random = createRandom(seed);
  return new Map(weightSpecs(config).map(({ name, shape, decays }) => {
    const length = shape.reduce((a, b) => a * b, 1);
    return [name, Float32Array.from({ length }, () => (decays ? 0.08 * random.normal() : 1 + 0.1 * random.normal()))];
  }));
}

/** Token ids, small ones far more frequent than large ones, as in text. */
export function createBatches(config: BenchConfig, count: number, seed: number): Int32Array[] {
  const random = createRandom(seed);
  const length = config.batchSize * (config.seqLen + 1);
  return Array.from({ length: count }, () => Int32Array.from({ length }, () => Math.floor(config.vocabSize ** random.next()) - 1));
}

/** Inputs and targets of a batch, [batchSize * seqLen] each. */
export function splitBatch(config: BenchConfig, batch: Int32Array): { tokens: Int32Array<ArrayBuffer>; targets: Int32Array<ArrayBuffer> } {
  const { batchSize, seqLen } = config;
  const tokens = new Int32Array(batchSize * seqLen);
  const targets = new Int32Array(batchSize * seqLen);
  for (let row = 0; row < batchSize; row++) {
    const start = row * (seqLen + 1);
    tokens.set(batch.subarray(start, start + seqLen), row * seqLen);
    targets.set(batch.subarray(start + 1, start + seqLen + 1), row * seqLen);
  }
  return { tokens, targets };
}

/** Floating point operations of one step's matmuls: 2 per weight and token forward, twice that backward, and causal attention's share. */
export function matmulFlops(config: BenchConfig): number {
  const { hiddenSize: C, numHiddenLayers: L, intermediateSize: F, vocabSize: V, seqLen: T, batchSize: B } = config;
  const weights = L * (4 * C * C + 3 * C * F) + V * C;
  const attention = L * 2 * C * (T / 2); // scores and values, half of them behind the causal mask
  return 3 * 2 * B * T * (weights + attention);
}

/** Cosines and sines of the rotary angles, [seqLen, headDim / 2] each, as Llama has them. */
export function rotaryTables(config: BenchConfig): { cos: Float32Array<ArrayBuffer>; sin: Float32Array<ArrayBuffer> } {
  const { headDim, ropeTheta } = modelConfigOf(config);
  const half = headDim / 2;
  const angles = Array.from({ length: config.seqLen * half }, (_, i) => Math.floor(i / half) * ropeTheta ** ((-2 * (i % half)) / headDim));
  return { cos: Float32Array.from(angles, Math.cos), sin: Float32Array.from(angles, Math.sin) };
}
