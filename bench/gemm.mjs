// Measures the matrix-multiplication variants at the nano model's shapes in the installed Chromium and prints a Markdown table.
// Usage: node bench/gemm.mjs [--hardware] [--seconds PER_SHAPE] [--only "NT 512x384x128"]
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright';
import { createServer } from 'vite';
import { chromiumExecutable, CHROMIUM_FLAGS, CHROMIUM_HARDWARE_FLAGS } from '../src/cli/chromium.mjs';

const { values: options } = parseArgs({
  options: { hardware: { type: 'boolean', default: false }, seconds: { type: 'string', default: '4' }, only: { type: 'string' } },
});

const server = await createServer({
  root: resolve(import.meta.dirname, '..'),
  // A file saved during the run must not reload the page.
  server: { port: 0, hmr: false, watch: null },
  logLevel: 'error',
});
await server.listen();
const browser = await chromium.launch({
  executablePath: chromiumExecutable(),
  args: options.hardware ? CHROMIUM_HARDWARE_FLAGS : CHROMIUM_FLAGS,
});
try {
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(error));
  await page.goto(new URL('bench/gemm.html', server.resolvedUrls?.local[0]).href);
  await page.waitForFunction(() => window.gemmBench !== undefined);
  const { adapter, tuned } = await page.evaluate(
    ([seconds, only]) => {
      if (!window.gemmBench) throw new Error('gemmPage.ts did not load');
      return window.gemmBench(Number(seconds), only);
    },
    [options.seconds, options.only],
  );
  const variants = [...new Set(tuned.flatMap(({ measurements }) => measurements.map(({ variant }) => variant)))];
  console.log(`${new Date().toISOString().slice(0, 10)}, ${adapter}, GFLOP/s (least of the repeats; - not supported, not eligible or no time)\n`);
  console.log(`| form MxNxK | winner | ${variants.join(' | ')} |\n|---|---|${variants.map(() => '---:').join('|')}|`);
  for (const { problem, winner, measurements } of tuned) {
    const cells = variants.map((name) => {
      const rate = measurements.find(({ variant }) => variant === name)?.gigaflopsPerSecond;
      return rate ? rate.toFixed(2) : '-';
    });
    console.log(`| ${problem.form} ${problem.M}x${problem.N}x${problem.K} | ${winner} | ${cells.join(' | ')} |`);
  }
} finally {
  await browser.close();
  await server.close();
}
