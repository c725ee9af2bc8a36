// One page of this folder in one headless Chromium, served from the sources by a development server of its own; shared by the drivers here.
import { appendFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { chromium } from 'playwright';
import { createServer } from 'vite';
import { kernelsPlugin } from '../src/wasm/compileKernels.mjs';
import { chromiumExecutable, CHROMIUM_FLAGS, CHROMIUM_HARDWARE_FLAGS } from '../src/cli/chromium.mjs';

const ownRoot = resolve(import.meta.dirname, '..');

/**
 * Opens `path` (below the repository's root) and runs `body` on it. What the page logs with console.info is shown on stderr; its warnings and errors come
 * back as `complaints`, because a GPU library that fails often says so nowhere else.
 * @template T
 * @param {{ path: string, hardware: boolean, dependencies?: string[], root?: string, allow?: string[], profile?: string }} options `root`: another tree than this one;
 * `allow`: more folders to serve below /@fs; `profile`: a folder for what the page stores, which otherwise stays in memory
 * @param {(page: import('playwright').Page) => Promise<T>} body
 * @returns {Promise<{ result: T, complaints: string[] }>}
 */
export async function withBenchPage({ path, hardware, dependencies = [], root = ownRoot, allow = [], profile }, body) {
  const server = await createServer({
    root,
    configFile: false,
    logLevel: 'error',
    // A cache of its own: another development server of this checkout may be running.
    cacheDir: root === ownRoot ? join(root, 'node_modules/.vite-bench') : join(root, '.vite-bench'),
    // A file saved during the run must not reload the page. The modules of another tree may lie elsewhere. Isolated, so that threads may share memory.
    server: {
      port: 0, hmr: false, watch: null, fs: { strict: root === ownRoot, allow: [ownRoot, ...allow] },
      headers: { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' },
    },
    plugins: [kernelsPlugin()],
    optimizeDeps: { noDiscovery: true, include: dependencies },
  });
  await server.listen();
  const options = { executablePath: chromiumExecutable(), args: hardware ? CHROMIUM_HARDWARE_FLAGS : CHROMIUM_FLAGS };
  const browser = profile === undefined ? await chromium.launch(options) : await chromium.launchPersistentContext(profile, options);
  try {
    const page = await browser.newPage();
    /** @type {Set<string>} */
    const complaints = new Set();
    page.on('console', (message) => {
      if (message.type() === 'info') console.error(message.text());
      if (message.type() === 'error' || message.type() === 'warning') complaints.add(message.text());
    });
    page.on('pageerror', (error) => complaints.add(error.message));
    // The server transforms every module on the way, which takes its time on a busy machine.
    await page.goto(new URL(path, server.resolvedUrls?.local[0]).href, { timeout: 300_000 });
    const result = await body(page);
    for (const complaint of complaints) console.error(`console: ${complaint}`);
    return { result, complaints: [...complaints] };
  } finally {
    await browser.close();
    await server.close();
  }
}

/** When and on what a measurement was made. */
export function circumstances() {
  return { date: new Date().toISOString(), cpu: cpus()[0].model, cores: cpus().length, loadAverage: loadavg()[0] };
}

/**
 * Prints one dated line and, if `log`, appends it to bench/LOG.md.
 * @param {{ what: string, adapter: string, figures: string, log: boolean }} options
 */
export function reportLine({ what, adapter, figures, log }) {
  const { date, cpu, cores, loadAverage } = circumstances();
  const line = `- ${date.slice(0, 10)} ${what}, ${adapter} (${cpu}, ${cores} cores, load ${loadAverage.toFixed(1)}): ${figures}`;
  console.error(line);
  if (log) appendFileSync(join(ownRoot, 'bench/LOG.md'), `${line}\n`);
}
