// node bench/step.mjs [--model nano|small] [--steps OURS,JAX,TFJS] [--wasm ONE,ALL,JAX] [--hardware] [--json FILE] [--log]
// Times one training step of a model here, in jax-js and in TensorFlow.js, interleaved in one headless Chromium: on WebGPU, and with --wasm in WebAssembly (ours on one thread and
// on all, and jax-js).
// --hardware uses the machine's GPU, --log appends a dated line to bench/LOG.md.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { circumstances, reportLine, withBenchPage } from './benchBrowser.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'nano' },
    steps: { type: 'string', default: '6,6,4' },
    wasm: { type: 'string', default: '0,0,0' },
    hardware: { type: 'boolean', default: false },
    json: { type: 'string' },
    log: { type: 'boolean', default: false },
  },
});
const [ours, jax, tfjs] = values.steps.split(',').map(Number);
const [wasm, threads, jaxWasm] = values.wasm.split(',').map(Number);
const { result: report, complaints } = await withBenchPage(
  {
    path: 'bench/step/index.html',
    hardware: values.hardware,
    dependencies: ['@jax-js/jax', '@tensorflow/tfjs', '@tensorflow/tfjs-backend-webgpu'],
  },
  async (page) => {
    await page.waitForFunction(() => '__stepBench' in window, undefined, { timeout: 300_000 });
    return page.evaluate((options) => window.__stepBench(options), { model: values.model, steps: { ours, jax, tfjs, wasm, threads, jaxWasm } });
  },
);
const text = JSON.stringify({ ...circumstances(), ...report, complaints }, undefined, 2);
console.log(text);
if (values.json) writeFileSync(values.json, `${text}\n`);

const [mine, ...others] = report.rows;
const rate = report.flopsPerStep / mine.medianMilliseconds / 1e6;
const rateOf = (/** @type {{ flops: number, medianMilliseconds: number }} */ { flops, medianMilliseconds }) => flops / medianMilliseconds / 1e6;
const bestRate = rateOf(report.roofline);
const oneThread = report.wasmRoofline && report.rows.find((row) => row.name.endsWith('1 thread)'));
const shareOfOneThread = oneThread ? [`WebAssembly's step at ${((100 * report.flopsPerStep) / oneThread.medianMilliseconds / 1e6 / rateOf(report.wasmRoofline)).toFixed(0)}% of its products' ${rateOf(report.wasmRoofline).toFixed(1)} GFLOP/s a thread`] : [];
reportLine({
  what: `step of ${values.model}`,
  adapter: report.adapter,
  figures: [
    `${mine.name} ${mine.medianMilliseconds.toFixed(0)} ms (${rate.toFixed(1)} GFLOP/s, ${((100 * rate) / bestRate).toFixed(0)}% of its matrix products' ${bestRate.toFixed(1)})`,
    ...others.map(({ name, medianMilliseconds, timesOurs }) => `${name} ${medianMilliseconds.toFixed(0)} ms (${timesOurs.toFixed(2)}x)`),
    ...shareOfOneThread,
  ].join(', '),
  log: values.log,
});
