// node bench/generation.mjs [--prompt 64] [--tokens 128] [--rounds 6] [--engines A,B,...] [--baseline COMMIT] [--hardware] [--json FILE] [--log]
// Times greedy generation with the same weights here, in onnxruntime-web and in wllama, in turn in one headless Chromium. All must say the same, or the run fails. --baseline adds another commit's generation on both devices.
// --engines: of webgpu, wasm (ours), ort-webgpu, ort-wasm, wllama-webgpu (GPUs with 16-bit floats), wllama-wasm, and the last three's like on one thread: wasm-1, ort-wasm-1, wllama-wasm-1.
import { rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { baselineTree } from './baselineTree.mjs';
import { circumstances, reportLine, withBenchPage } from './benchBrowser.mjs';

const { values } = parseArgs({
  options: {
    prompt: { type: 'string', default: '64' },
    tokens: { type: 'string', default: '128' },
    rounds: { type: 'string', default: '6' },
    engines: { type: 'string', default: 'webgpu,wasm,ort-webgpu,ort-wasm,ort-wasm-1,wllama-wasm,wllama-wasm-1' },
    baseline: { type: 'string' },
    hardware: { type: 'boolean', default: false },
    json: { type: 'string' },
    log: { type: 'boolean', default: false },
  },
});
const baseline = values.baseline ? baselineTree(values.baseline, ['src', 'package.json']) : undefined;
const engines = [...values.engines.split(','), ...(baseline ? ['baseline-webgpu', 'baseline-wasm'] : [])];
const [promptTokens, newTokens, rounds] = [values.prompt, values.tokens, values.rounds].map(Number);
try {
  const { result: report, complaints } = await withBenchPage({ path: 'bench/generation/index.html', hardware: values.hardware, allow: baseline ? [baseline] : [] }, async (page) => {
    await page.waitForFunction(() => '__generationBench' in window, undefined, { timeout: 300_000 });
    return page.evaluate((options) => window.__generationBench(options), { promptTokens, newTokens, rounds, engines, baseline });
  });
  const text = JSON.stringify({ ...circumstances(), ...report, complaints }, undefined, 2);
  console.log(text);
  if (values.json) writeFileSync(values.json, `${text}\n`);
  reportLine({
    what: `generation, prompt of ${promptTokens}, ${newTokens} new tokens`,
    adapter: report.adapter,
    figures: [
      ...report.rows.map(({ name, tokensPerSecond, bestTokensPerSecond, decodeTokensPerSecond, oursIsFaster }) =>
        `${name} ${tokensPerSecond.toFixed(0)} tokens/s (best ${bestTokensPerSecond.toFixed(0)}, after the first ${decodeTokensPerSecond.toFixed(0)}${
          oursIsFaster ? `; ours ${oursIsFaster.whole.toFixed(2)}x, best ${oursIsFaster.best.toFixed(2)}x, after the first ${oursIsFaster.decode.toFixed(2)}x` : ''})`),
      ...Object.entries(report.failures).map(([engine, words]) => `${engine} failed: ${words.slice(0, 80)}`),
    ].join(', '),
    log: values.log,
  });
  // Where it is measured that ours keeps up, an engine that says something else must not pass for a slow one.
  if (Object.keys(report.failures).length > 0) process.exitCode = 1;
} finally {
  if (baseline) rmSync(baseline, { recursive: true, force: true });
}
