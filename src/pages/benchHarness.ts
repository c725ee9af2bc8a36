// One training step, timed, for outside harnesses: the engine's own model and optimizer on weights and batches that the caller supplies.
import type { ModelConfig } from '../config/modelConfig.ts';
import { engineRequestOf } from '../config/engineChoice.ts';
import type { Gpu } from '../gpu/device.ts';
import { packArena } from '../model/parameters.ts';
import { SmallModel } from '../model/smallModel.ts';
import { tuneKernels } from '../model/tuneKernels.ts';
import { Stepper } from '../training/stepper.ts';
import { openDevice } from '../wasm/openDevice.ts';

export interface BenchConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly intermediateSize: number;
  readonly seqLen: number;
  readonly batchSize: number;
}

export interface BenchInput {
  /** Llama tensor names to values, [out, in] row-major, tied head. */
  readonly weights: Readonly<Record<string, Float32Array>> | ReadonlyMap<string, Float32Array>;
  /** One [batchSize, seqLen + 1] per step: inputs are the first seqLen of each row, targets the last seqLen. */
  readonly batches: readonly Int32Array[];
  readonly learningRate: number;
}

export interface BenchResult {
  /** Wall time of each step, awaited on the GPU, in milliseconds. */
  readonly msPerStep: number[];
  /** Loss of each step before its update, in nats per token. */
  readonly losses: number[];
  readonly adapter: string;
}

const OPTIMIZER = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 };

export function modelConfigOf(config: BenchConfig): ModelConfig {
  const { seqLen, batchSize: _batchSize, ...rest } = config;
  return { ...rest, headDim: config.hiddenSize / config.numAttentionHeads, maxPositionEmbeddings: seqLen, rmsNormEps: 1e-5, ropeTheta: 10_000 };
}

let opened: Promise<Gpu> | undefined;

/**
 * Trains `steps` steps (cycling through the batches) at a constant learning rate, on the engine that the page's address names (?engine=webgpu or wasm, ?without=...), else on the one the studio would choose.
 * @throws when there is no such engine or a weight does not fit
 */
export async function trainStep(config: BenchConfig, steps: number, { weights, batches, learningRate }: BenchInput): Promise<BenchResult> {
  const gpu = await (opened ??= openDevice(engineRequestOf(location.search)).then((device) => device.gpu));
  const { batchSize: B, seqLen: T } = config;
  for (const batch of batches) if (batch.length !== B * (T + 1)) throw new Error(`A batch holds ${batch.length} tokens, not ${B} x ${T + 1}`);
  const [modelConfig, shape] = [modelConfigOf(config), { batchSize: B, seqLen: T }];
  await tuneKernels(gpu, modelConfig, shape, { train: true });
  const model = await SmallModel.create(gpu, modelConfig, shape, { train: true });
  const stepper = await Stepper.create(gpu, model, OPTIMIZER, 1);
  try {
    const entries = weights instanceof Map ? [...weights] : Object.entries(weights);
    await model.loadWeights(packArena(model.table, new Map(entries.map(([name, data]) => [name, { data }]))));
    const msPerStep: number[] = [];
    const losses: number[] = [];
    for (let step = 1; step <= steps; step++) {
      const batch = batches[(step - 1) % batches.length];
      const start = performance.now();
      const { loss } = await stepper.step(step, learningRate, (tokens, targets) => {
        for (let row = 0; row < B; row++) {
          for (let t = 0; t < T; t++) {
            tokens[row * T + t] = batch[row * (T + 1) + t];
            targets[row * T + t] = batch[row * (T + 1) + t + 1];
          }
        }
      });
      msPerStep.push(performance.now() - start);
      losses.push(loss);
    }
    return { msPerStep, losses, adapter: gpu.adapter.name };
  } finally {
    stepper.destroy();
    model.destroy();
  }
}
