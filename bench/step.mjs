// node bench/step.mjs [--model nano|small] [--steps OURS,JAX,TFJS] [--hardware] [--json FILE] [--log]
// Times one training step of a model here, in jax-js and in TensorFlow.js, interleaved in one headless Chromium.
// --hardware uses the machine's GPU, --log appends a dated line to bench/LOG.md.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { circumstances, reportLine, withBenchPage } from './benchBrowser.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'nano' },
    steps: { type: 'string', default: '6,6,4' },
    hardware: { type: 'boolean', default: false },
    json: { type: 'string' },
    log: { type: 'boolean', default: false },
  },
});
const [ours, jax, tfjs] = values.steps.split(',').map(Number);
const { result: report, complaints } = await withBenchPage(
  {
    path: 'bench/step/index.html',
    hardware: values.hardware,
    dependencies: ['@jax-js/jax', '@tensorflow/tfjs', '@tensorflow/tfjs-backend-webgpu'],
  },
  async (page) => {
    await page.waitForFunction(() => '__stepBench' in window, undefined, { timeout: 120_000 });
    return page.evaluate((options) => window.__stepBench(options), { model: values.model, steps: { ours, jax, tfjs } });
  },
);
const text = JSON.stringify({ ...circumstances(), ...report, complaints }, undefined, 2);
console.log(text);
if (values.json) writeFileSync(values.json, `${text}\n`);

const [mine, ...others] = report.rows;
const rate = report.flopsPerStep / mine.medianMilliseconds / 1e6;
const bestRate = report.roofline.flops / report.roofline.medianMilliseconds / 1e6;
reportLine({
  what: `step of ${values.model}`,
  adapter: report.adapter,
  figures: [
    `ours ${mine.medianMilliseconds.toFixed(0)} ms (${rate.toFixed(1)} GFLOP/s, ${((100 * rate) / bestRate).toFixed(0)}% of its matrix products' ${bestRate.toFixed(1)})`,
    ...others.map(({ name, medianMilliseconds, timesOurs }) => `${name} ${medianMilliseconds.toFixed(0)} ms (${timesOurs.toFixed(1)}x)`),
  ].join(', '),
  log: values.log,
});
