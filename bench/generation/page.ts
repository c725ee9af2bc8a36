// The page of `node bench/generation.mjs`: every engine completes the same prompt with the same weights, in turn, in one tab, so that a busy machine slows all of them alike.
import { openGpu, type Gpu } from '../../src/gpu/device.ts';
import { openWasm } from '../../src/wasm/openWasm.ts';
import { compare, requireSame, type ComparisonRow, type Timeline } from './comparison.ts';
import { createOrt } from './ortGeneration.ts';
import { createOurs, type Tree } from './oursGeneration.ts';
import { createWllama } from './wllamaGeneration.ts';
import { loadWorkload, type Contestant } from './workload.ts';

export interface GenerationBenchOptions {
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly rounds: number;
  /** Which engines take part, by the names below. */
  readonly engines: readonly string[];
  /** Folder of another tree of this project, served by this server, whose generation takes part. */
  readonly baseline?: string;
}

export interface GenerationBenchReport {
  readonly adapter: string;
  readonly userAgent: string;
  readonly rows: ComparisonRow[];
  readonly text: string;
  /** Engines that did not start or gave up, with their words. */
  readonly failures: Readonly<Record<string, string>>;
}

/** An engine whose rounds take longer runs two: the ratio is plain by then, and the others' rounds are close together. */
const SLOW_MILLISECONDS = 15_000;

declare global {
  interface Window {
    __generationBench: (options: GenerationBenchOptions) => Promise<GenerationBenchReport>;
  }
}

/** Another tree's code, transformed by the same server. */
const moduleOf = <T>(tree: string, path: string): Promise<T> => import(/* @vite-ignore */ `/@fs${tree}/src/${path}`) as Promise<T>;

window.__generationBench = async ({ promptTokens, newTokens, rounds, engines, baseline }) => {
  const workload = await loadWorkload(promptTokens);
  const baselineOn = async (open: (tree: string) => Promise<Gpu>, name: string): Promise<Contestant> => {
    if (!baseline) throw new Error('There is no --baseline');
    return createOurs(await open(baseline), workload, name, await moduleOf<Tree>(baseline, 'model/generation.ts'));
  };
  const oursInWasm = async (threads?: number): Promise<Contestant> => {
    const gpu = await openWasm({ threads });
    return createOurs(gpu, workload, `ours (${gpu.adapter.name})`);
  };
  const creators: Record<string, () => Promise<Contestant>> = {
    webgpu: async () => createOurs(await openGpu(), workload, 'ours (WebGPU)'),
    wasm: () => oursInWasm(),
    'wasm-1': () => oursInWasm(1),
    'baseline-webgpu': () => baselineOn(async (tree) => (await moduleOf<{ openGpu: typeof openGpu }>(tree, 'gpu/device.ts')).openGpu(), 'baseline (WebGPU)'),
    'baseline-wasm': () => baselineOn(async (tree) => (await moduleOf<{ openWasm: typeof openWasm }>(tree, 'wasm/openWasm.ts')).openWasm(), 'baseline (WebAssembly)'),
    'ort-webgpu': () => createOrt(workload, 'webgpu', { attention: 'plain' }),
    'ort-webgpu-fused': () => createOrt(workload, 'webgpu', { attention: 'fused' }),
    'ort-wasm': () => createOrt(workload, 'wasm', { attention: 'fused' }),
    'ort-wasm-1': () => createOrt(workload, 'wasm', { attention: 'fused', threads: 1 }),
    'wllama-webgpu': () => createWllama(workload, 'webgpu'),
    'wllama-wasm': () => createWllama(workload, 'wasm'),
    'wllama-wasm-1': () => createWllama(workload, 'wasm', 1),
  };
  const failures: Record<string, string> = {};
  const running: { contestant: Contestant; timeline: Timeline }[] = [];
  for (const engine of engines) {
    try {
      const contestant = await creators[engine]();
      const { name, ours, runsOn } = contestant;
      running.push({ contestant, timeline: { name, ours, runsOn, wholeMilliseconds: [], firstMilliseconds: [] } });
      console.info(`${name} is ready`);
    } catch (error) {
      failures[engine] = String(error);
      console.info(`${engine} does not start: ${String(error)}`);
    }
  }
  let expected: readonly number[] | undefined;
  const timed = async (contestant: Contestant, count: number): Promise<number> => {
    const start = performance.now();
    const answer = await contestant.generate(workload.prompt, count);
    const milliseconds = performance.now() - start;
    if (!expected && typeof answer !== 'string') expected = answer;
    if (!expected) throw new Error(`${contestant.name} gives text, so it cannot be the first`);
    requireSame(contestant.name, answer, expected.slice(0, count), workload.decode);
    return milliseconds;
  };
  for (let round = 0; round < rounds; round++) {
    for (const entry of [...running]) {
      const { contestant, timeline } = entry;
      if (timeline.wholeMilliseconds.length >= 2 && timeline.wholeMilliseconds.at(-1)! > SLOW_MILLISECONDS) continue;
      try {
        timeline.wholeMilliseconds.push(await timed(contestant, newTokens));
        timeline.firstMilliseconds.push(await timed(contestant, 1));
        const [whole, first] = [timeline.wholeMilliseconds.at(-1)!, timeline.firstMilliseconds.at(-1)!];
        console.info(`${contestant.name}: ${((1000 * newTokens) / whole).toFixed(1)} tokens/s, first token after ${first.toFixed(0)} ms`);
      } catch (error) {
        failures[contestant.name] = String(error);
        running.splice(running.indexOf(entry), 1);
        console.info(`${contestant.name} gives up: ${String(error)}`);
      }
    }
  }
  const adapter = (await openGpu()).adapter.name;
  const rows = compare(running.map(({ timeline }) => timeline), newTokens);
  for (const { contestant } of running) await contestant.dispose();
  return { adapter, userAgent: navigator.userAgent, rows, text: workload.decode(expected ?? []), failures };
};
