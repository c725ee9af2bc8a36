// node bench/projection.mjs [--hardware] [--log]
// Times the projection of one expert of the bundled pack in headless Chromium: reading T alone, the GPU alone (slices resident), and both (streamed).
import { parseArgs } from 'node:util';
import { reportLine, withBenchPage } from './benchBrowser.mjs';

const { values } = parseArgs({ options: { hardware: { type: 'boolean', default: false }, log: { type: 'boolean', default: false } } });
const { result: report } = await withBenchPage({ path: 'bench/projection/index.html', hardware: values.hardware, dependencies: ['@huggingface/tokenizers', '@noble/hashes/sha2.js'] }, async (page) => {
  await page.waitForFunction(() => '__projectionBench' in window, undefined, { timeout: 120_000 });
  return page.evaluate(() => window.__projectionBench());
});
const { adapter, bytes, medians } = report;
console.log(JSON.stringify(report, undefined, 2));
reportLine({
  what: 'projection of the nano pack',
  adapter,
  figures: `${(bytes / 2 ** 20).toFixed(1)} MB of T: reading alone ${medians.reading.toFixed(0)} ms, GPU alone ${medians.resident.toFixed(0)} ms, streamed ${medians.streamed.toFixed(0)} ms`
    + `; opening and verifying the pack ${report.openMilliseconds.toFixed(0)} ms`,
  log: values.log,
});
