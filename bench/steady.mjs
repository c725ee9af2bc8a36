// node bench/steady.mjs [--steps N] [--hardware] [--log]
// Whether training stays as it is for hours: time of the last 100 steps against steps 10 to 110, JavaScript's share of a step, memory at both ends.
import { parseArgs } from 'node:util';
import { reportLine, withBenchPage } from './benchBrowser.mjs';

const { values } = parseArgs({
  options: { steps: { type: 'string', default: '5000' }, hardware: { type: 'boolean', default: false }, log: { type: 'boolean', default: false } },
});
const steps = Number(values.steps);
const WARM = 10;
const WINDOW = 100;

/** @param {number[]} numbers @param {number} share */
const quantile = (numbers, share) => [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) * share)];

const { result } = await withBenchPage({ path: 'bench/steady/index.html', hardware: values.hardware }, async (page) => {
  await page.waitForFunction(() => '__steady' in window, undefined, { timeout: 120_000 });
  const session = await page.context().newCDPSession(page);
  const memory = async () => {
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize, backingStorageSize } = await session.send('Runtime.getHeapUsage');
    return { heap: usedSize + backingStorageSize, gpu: await page.evaluate(() => window.__steady.gpuBytes()) };
  };
  const adapter = await page.evaluate(() => window.__steady.open());
  /** @param {number} until */
  const run = (until) => page.evaluate((count) => window.__steady.run(count), until);
  const first = await run(WARM + WINDOW);
  const before = await memory();
  const middle = await run(steps - WINDOW);
  const last = await run(steps);
  const after = await memory();
  return { adapter, before, after, first: first.step.slice(WARM), last: last.step, submit: [...first.submit.slice(WARM), ...middle.submit, ...last.submit] };
});
const [first, last] = [quantile(result.first, 0.5), quantile(result.last, 0.5)];
reportLine({
  what: `${steps} steps`,
  adapter: result.adapter,
  figures: [
    `step ${first.toFixed(2)} ms (steps ${WARM} to ${WARM + WINDOW}), ${last.toFixed(2)} ms (last ${WINDOW}): ${(last / first).toFixed(3)} of it`,
    `JavaScript ${quantile(result.submit, 0.5).toFixed(3)} ms a step (median; 99 of 100 under ${quantile(result.submit, 0.99).toFixed(3)})`,
    `JavaScript memory ${((result.after.heap - result.before.heap) / 1024).toFixed(0)} KB more, GPU memory ${result.after.gpu - result.before.gpu} bytes more`,
  ].join('; '),
  log: values.log,
});
