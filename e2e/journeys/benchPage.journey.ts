// bench.html hands out the training step; what it computes is the golden run that PyTorch wrote.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { safetensors } from '@jax-js/loaders';
import { expect, test } from '../pages/studioTest.ts';

const FIXTURES = resolve(import.meta.dirname, '../../src/testing/fixtures/golden');
const TOLERANCE = 1e-4;

interface GoldenJson {
  readonly config: { readonly vocabSize: number; readonly hiddenSize: number; readonly numHiddenLayers: number; readonly numAttentionHeads: number; readonly intermediateSize: number };
  readonly B: number;
  readonly T: number;
  readonly losses: readonly number[];
  readonly optimizer: { readonly learningRate: number };
}

interface BenchPage {
  readonly __bench: {
    trainStep(config: object, steps: number, input: { weights: Record<string, Float32Array>; batches: Int32Array[]; learningRate: number }): Promise<{ msPerStep: number[]; losses: number[]; readonly adapter: string }>;
  };
}

for (const engine of ['webgpu', 'wasm']) test(`window.__bench.trainStep computes the golden run of PyTorch with ${engine}`, async ({ page }) => {
  const { config, B, T, losses, optimizer } = JSON.parse(readFileSync(resolve(FIXTURES, 'golden.json'), 'utf8')) as GoldenJson;
  const { tensors } = safetensors.parse(new Uint8Array(readFileSync(resolve(FIXTURES, 'golden.safetensors'))));
  const weights = Object.entries(tensors)
    .filter(([name]) => name.startsWith('initial/'))
    .map(([name, { data }]): [string, number[]] => [name.slice('initial/'.length), [...(data as Float32Array)]]);
  const [tokens, targets] = [tensors.tokens.data as Int32Array, tensors.targets.data as Int32Array];
  // This interface has no ignored targets, so the comparison ends before the golden run's first one.
  const firstIgnored = targets.indexOf(-1);
  const steps = Math.floor(firstIgnored / (B * T));
  expect(steps).toBeGreaterThanOrEqual(3);
  const batches = Array.from({ length: steps }, (_, step) =>
    Array.from({ length: B }, (_row, row) => {
      const from = (step * B + row) * T;
      return [tokens[from], ...targets.subarray(from, from + T)];
    }).flat());

  await page.goto(`./bench.html?engine=${engine}`);
  await page.waitForFunction(() => '__bench' in window);
  const result = await page.evaluate(
    ({ shape, entries, rows, learningRate }) => (window as unknown as BenchPage).__bench.trainStep(shape, rows.length, {
      weights: Object.fromEntries(entries.map(([name, values]) => [name, Float32Array.from(values)])),
      batches: rows.map((row) => Int32Array.from(row)),
      learningRate,
    }),
    { shape: { ...config, seqLen: T, batchSize: B }, entries: weights, rows: batches, learningRate: optimizer.learningRate },
  );
  expect(result.adapter).toMatch(engine === 'wasm' ? /^WebAssembly, / : /^(?!WebAssembly)/);
  expect(result.msPerStep).toHaveLength(steps);
  for (const milliseconds of result.msPerStep) expect(milliseconds > 0).toBe(true);
  expect(result.losses).toHaveLength(steps);
  result.losses.forEach((loss, step) => expect(Math.abs(loss - losses[step]) / losses[step], `loss of step ${step + 1}`).toBeLessThanOrEqual(TOLERANCE));
});
