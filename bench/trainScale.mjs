// node bench/trainScale.mjs [--engine webgpu|wasm] [--steps 2] [--tokens 1024] [--layers 7] [--hardware] [--log]
// Real training steps of the paper's small model (bench/trainScale/page.ts) in headless Chromium under WebGPU's default limits: what they allocate and how long they take.
import { parseArgs } from 'node:util';
import { reportLine, withBenchPage } from './benchBrowser.mjs';

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'wasm' },
    steps: { type: 'string', default: '2' },
    tokens: { type: 'string', default: '1024' },
    layers: { type: 'string', default: '7' },
    hardware: { type: 'boolean', default: false },
    log: { type: 'boolean', default: false },
  },
});
if (values.engine !== 'webgpu' && values.engine !== 'wasm') throw new Error(`--engine takes webgpu or wasm, not ${values.engine}`);
const options = { engine: values.engine, steps: Number(values.steps), tokens: Number(values.tokens), layers: Number(values.layers) };
const { result: report } = await withBenchPage({ path: 'bench/trainScale/index.html', hardware: values.hardware, dependencies: ['@noble/hashes/sha2.js', '@noble/hashes/utils.js', 'valibot'] }, async (page) => {
  await page.waitForFunction(() => '__trainScale' in window, undefined, { timeout: 300_000 });
  return page.evaluate((chosen) => window.__trainScale(/** @type {any} */ (chosen)), options);
});
console.log(JSON.stringify(report, undefined, 2));
const { adapter, parameters, peakBytes, plannedBytes, limits, buffersPerArena, stepSeconds, losses } = report;
reportLine({
  what: `training step of the paper's small model (${(parameters / 1e6).toFixed(1)}M parameters, 1 x ${options.tokens} tokens, recomputed)`,
  adapter,
  figures: `at most ${(peakBytes / 1e9).toFixed(3)} GB allocated (planned ${(plannedBytes / 1e9).toFixed(3)}), ${buffersPerArena} buffers an arena under limits of ${limits.maxBufferSize / 2 ** 20} and`
    + ` ${limits.maxStorageBufferBindingSize / 2 ** 20} MB; steps ${stepSeconds.map((seconds) => seconds.toFixed(1)).join(', ')} s, losses ${losses.map((loss) => loss.toFixed(3)).join(', ')}`,
  log: values.log,
});
