// The page of `node bench/step.mjs`: steps of all contestants in turn, in one tab, so that a busy machine slows all of them alike.
import { openGpu } from '../../src/gpu/device.ts';
import { openWasm } from '../../src/wasm/openWasm.ts';
import { modelConfigOf, type BenchConfig } from '../../src/pages/benchHarness.ts';
import { crossEntropyForward } from '../../src/reference/crossEntropy.ts';
import { modelForward } from '../../src/reference/model.ts';
import { compare, median, requireLosses, type ComparisonRow, type Timeline } from './comparison.ts';
import { createJax } from './jaxStep.ts';
import { createOurs } from './oursStep.ts';
import { createRoofline, type Roofline } from './roofline.ts';
import { createTfjs } from './tfjsStep.ts';
import { createBatches, createWeights, matmulFlops, splitBatch, WORKLOADS, type Contestant, type Weights } from './workload.ts';

export interface StepBenchOptions {
  /** A key of WORKLOADS. */
  readonly model: string;
  /** Steps of each contestant, its first (compiling) one included; 0 leaves it out. */
  readonly steps: {
    readonly ours: number;
    readonly jax: number;
    readonly tfjs: number;
    /** This project's WebAssembly engine on one thread, and on all. */
    readonly wasm: number;
    readonly threads: number;
    readonly jaxWasm: number;
  };
}

export interface StepBenchReport {
  readonly adapter: string;
  readonly userAgent: string;
  readonly flopsPerStep: number;
  /** Loss of the first batch by the CPU twins in float64. */
  readonly referenceLoss: number;
  readonly rows: ComparisonRow[];
  readonly roofline: RooflineReport;
  /** The same products on one thread of the WebAssembly engine, where it takes part. */
  readonly wasmRoofline?: RooflineReport;
}

export interface RooflineReport {
  /** Every matrix product of the step with the variant chosen for it. */
  readonly choices: readonly string[];
  readonly flops: number;
  /** The products alone, once per round. */
  readonly milliseconds: number[];
  readonly medianMilliseconds: number;
}

declare global {
  interface Window {
    __stepBench: (options: StepBenchOptions) => Promise<StepBenchReport>;
  }
}

function referenceLoss(config: BenchConfig, weights: Weights, batch: Int32Array): number {
  const { tokens, targets } = splitBatch(config, batch);
  const { logits } = modelForward(modelConfigOf(config), weights, tokens, { B: config.batchSize, T: config.seqLen });
  const losses = crossEntropyForward(logits, targets, { rows: targets.length, V: config.vocabSize });
  return losses.reduce((a, b) => a + b) / losses.length;
}

function reportRoofline({ choices, flops }: Roofline, milliseconds: number[]): RooflineReport {
  return { choices, flops, milliseconds, medianMilliseconds: median(milliseconds.slice(1)) };
}

window.__stepBench = async ({ model, steps }) => {
  const config = WORKLOADS[model];
  if (!config) throw new Error(`There is no workload ${model}, only ${Object.keys(WORKLOADS).join(', ')}`);
  const gpu = await openGpu();
  const weights = createWeights(config, 1);
  const batches = createBatches(config, Math.max(...Object.values(steps)), 2);
  const expected = referenceLoss(config, weights, batches[0]);
  // A device of its own: the long tuning that finds the best rate must not choose the kernels of our step.
  const roofline = await createRoofline(await openGpu(), config, 60_000);
  console.info(`matrix products: ${roofline.choices.join('; ')}`);
  const productMilliseconds: number[] = [];
  const contestants: { contestant: Contestant; steps: number; timeline: Timeline }[] = [];
  const enter = async (count: number, create: () => Promise<Contestant>): Promise<void> => {
    if (count === 0) return;
    const contestant = await create();
    contestants.push({ contestant, steps: count, timeline: { name: contestant.name, milliseconds: [], losses: [] } });
  };
  const wasm = steps.wasm > 0 ? await openWasm({ threads: 1 }) : undefined;
  const wasmRoofline = wasm && (await createRoofline(wasm, config, 5000));
  const wasmMilliseconds: number[] = [];
  await enter(steps.ours, () => createOurs(gpu, config, weights));
  if (wasm) await enter(steps.wasm, () => createOurs(wasm, config, weights, 'ours (WebAssembly, 1 thread)'));
  const threaded = steps.threads > 0 ? await openWasm() : undefined;
  if (threaded) await enter(steps.threads, () => createOurs(threaded, config, weights, `ours (${threaded.adapter.name})`));
  await enter(steps.jaxWasm, () => createJax(config, weights, 'wasm'));
  await enter(steps.jax, () => createJax(config, weights));
  await enter(steps.tfjs, () => createTfjs(config, weights));
  for (const [i, batch] of batches.entries()) {
    productMilliseconds.push(await roofline.measure());
    console.info(`matrix products alone: ${productMilliseconds[i].toFixed(0)} ms`);
    if (wasmRoofline) wasmMilliseconds.push(await wasmRoofline.measure());
    for (const { contestant, steps, timeline } of contestants) {
      if (i >= steps) continue;
      const start = performance.now();
      const loss = await contestant.step(batch);
      timeline.milliseconds.push(performance.now() - start);
      timeline.losses.push(loss);
      console.info(`${contestant.name}: step ${i + 1} took ${(performance.now() - start).toFixed(0)} ms, loss ${loss.toFixed(5)}`);
    }
  }
  for (const { contestant } of contestants) contestant.dispose();
  roofline.dispose();
  wasmRoofline?.dispose();
  const timelines = contestants.map(({ timeline }) => timeline);
  for (const timeline of timelines) requireLosses(timeline, [expected]);
  return {
    adapter: gpu.adapter.name,
    userAgent: navigator.userAgent,
    flopsPerStep: matmulFlops(config),
    referenceLoss: expected,
    rows: compare(timelines),
    roofline: reportRoofline(roofline, productMilliseconds),
    wasmRoofline: wasmRoofline && reportRoofline(wasmRoofline, wasmMilliseconds),
  };
};
