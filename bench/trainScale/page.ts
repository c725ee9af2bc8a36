// The page of `node bench/trainScale.mjs`: real optimizer steps of the paper's small model from random weights, with recomputation, under WebGPU's default limits.
import type { EngineChoice } from '../../src/config/engineChoice.ts';
import { numParameters, type ModelConfig } from '../../src/config/modelConfig.ts';
import { DEFAULT_RUN_CONFIG, type RunConfig } from '../../src/config/runConfig.ts';
import { createRandom } from '../../src/core/random.ts';
import { randomWeights } from '../../src/model/initialization.ts';
import { tuneKernels } from '../../src/model/tuneKernels.ts';
import { openWithDefaultLimits } from '../../src/testing/limitedDevice.ts';
import { PAPER_SMALL_MODEL } from '../../src/testing/paperModel.ts';
import { trainingBytes } from '../../src/training/memory.ts';
import { createTrainee } from '../../src/training/trainee.ts';

export interface TrainScaleOptions {
  readonly engine: Exclude<EngineChoice, 'auto'>;
  readonly steps: number;
  /** Of a window; a step takes one. */
  readonly tokens: number;
  readonly layers: number;
}

export interface TrainScaleReport {
  readonly adapter: string;
  readonly limits: { readonly maxBufferSize: number; readonly maxStorageBufferBindingSize: number };
  readonly parameters: number;
  readonly buffersPerArena: number;
  /** Bytes of all buffers that the training had at once at most, and what was planned before. */
  readonly peakBytes: number;
  readonly plannedBytes: number;
  readonly loadSeconds: number;
  readonly stepSeconds: readonly number[];
  readonly losses: readonly number[];
  readonly gradientNorms: readonly number[];
}

declare global {
  interface Window {
    __trainScale: (options: TrainScaleOptions) => Promise<TrainScaleReport>;
  }
}

const seconds = async <T>(body: () => Promise<T>): Promise<{ readonly result: T; readonly seconds: number }> => {
  const start = performance.now();
  const result = await body();
  return { result, seconds: (performance.now() - start) / 1000 };
};

window.__trainScale = async ({ engine, steps, tokens: seqLen, layers }) => {
  const config: ModelConfig = { ...PAPER_SMALL_MODEL, numHiddenLayers: layers };
  const settings: RunConfig = { ...DEFAULT_RUN_CONFIG, batchSize: 1, seqLen, recomputeActivations: true };
  const gpu = await openWithDefaultLimits(engine);
  const failures: string[] = [];
  gpu.device.onuncapturederror = ({ error }) => failures.push(error.message);
  await tuneKernels(gpu, config, settings, { train: true });
  const plannedBytes = await trainingBytes(gpu, config, settings);
  const { model, stepper } = await createTrainee(gpu, config, settings);
  const loaded = await seconds(async () => {
    await model.loadWeights(randomWeights(config, model.table, 1));
    await gpu.device.queue.onSubmittedWorkDone();
  });
  console.info(`${gpu.adapter.name}: ${numParameters(config)} parameters loaded, ${gpu.buffers.bytes} bytes allocated`);
  const random = createRandom(2);
  const window = Uint32Array.from({ length: seqLen + 1 }, () => Math.floor(config.vocabSize ** random.next()) - 1);
  const report = { stepSeconds: [] as number[], losses: [] as number[], gradientNorms: [] as number[] };
  for (let step = 1; step <= steps; step++) {
    const taken = await seconds(() => stepper.step(step, 1e-4, (tokens, targets) => {
      tokens.set(window.subarray(0, seqLen));
      targets.set(window.subarray(1));
    }));
    report.stepSeconds.push(taken.seconds);
    report.losses.push(taken.result.loss);
    report.gradientNorms.push(taken.result.gradientNorm);
    console.info(`step ${step}: ${taken.seconds.toFixed(1)} s, loss ${taken.result.loss}, gradient norm ${taken.result.gradientNorm}`);
  }
  if (failures.length > 0) throw new Error(`The adapter complained: ${failures[0]}`);
  const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
  return {
    adapter: gpu.adapter.name, limits: { maxBufferSize, maxStorageBufferBindingSize }, parameters: numParameters(config), buffersPerArena: model.weights.parts.length,
    peakBytes: gpu.buffers.peakBytes, plannedBytes, loadSeconds: loaded.seconds, ...report,
  };
};
