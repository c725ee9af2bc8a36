// node bench/text.mjs [--baseline COMMIT] [--megabytes 100] [--rounds 2] [--only-engine] [--log]
// Times the preparation of text in headless Chromium on ../shared/corpus: tokenizing, hashing, and whole loads, on one thread and in the engine with its
// workers. --baseline runs the same in another commit's tree, in turn; --only-engine does only that, for much text (--megabytes 200: 64M tokens). Times
// are of the clock and of the CPU (all threads of the page), which other programs on the machine disturb less. Memory is what the page's processes
// have resident more than before, at most, tokens included.
import { cpSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { baselineTree } from './baselineTree.mjs';
import { reportLine, withBenchPage } from './benchBrowser.mjs';
import { peakWhile } from './peakWhile.mjs';

const { values } = parseArgs({
  options: {
    baseline: { type: 'string' },
    megabytes: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '2' },
    'only-engine': { type: 'boolean', default: false },
    log: { type: 'boolean', default: false },
  },
});
const root = resolve(import.meta.dirname, '..');
const corpus = resolve(root, '../shared/corpus');
const files = ['generic', 'domains'].flatMap((folder) => readdirSync(join(corpus, folder)).sort().map((name) => join(corpus, folder, name)));
const loadedFiles = smallestFiles(Number(values.megabytes) * 1e6 / 3);

/** Files of about `bytes` (compressed to a third) in all, the smallest ones, so that there are many kinds. @param {number} bytes */
function smallestFiles(bytes) {
  let left = bytes;
  return files.sort((a, b) => statSync(a).size - statSync(b).size).filter((file) => (left -= statSync(file).size) > 0);
}

/** `commit` with this tree's bench page; the caller removes it. @param {string} commit */
function treeOf(commit) {
  const folder = baselineTree(commit);
  rmSync(join(folder, 'bench/text'), { recursive: true, force: true });
  cpSync(join(root, 'bench/text'), join(folder, 'bench/text'), { recursive: true });
  return folder;
}

/** One tree's page, with what its process has used. @param {import('playwright').Page} page @param {string} name */
async function openSide(page, name) {
  const browser = /** @type {import('playwright').Browser} */ (page.context().browser());
  const session = await browser.newBrowserCDPSession();
  const renderers = async () => (await session.send('SystemInfo.getProcessInfo')).processInfo.filter(({ type }) => type === 'renderer');
  const cpuSeconds = async () => (await renderers()).reduce((sum, { cpuTime }) => sum + cpuTime, 0);
  const residentBytes = async () => (await renderers()).reduce((sum, { id }) => sum + 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1]), 0);
  await page.waitForFunction(() => '__textBench' in window, undefined, { timeout: 120_000 });
  /** @type {Map<string, import('./text/page.ts').TextBenchResult & { cpu: number, peak: number }>} */
  const best = new Map();
  return {
    name, best, page,
    /** Runs one part; of several rounds the one with the least CPU time counts. @param {string} part @param {() => Promise<import('./text/page.ts').TextBenchResult>} body */
    async measure(part, body) {
      const before = { cpu: await cpuSeconds(), resident: await residentBytes() };
      const { result, peak } = await peakWhile(body(), residentBytes, 200, before.resident);
      const measured = { ...result, cpu: (await cpuSeconds()) - before.cpu, peak: peak - before.resident };
      console.error(`${name.padEnd(9)} ${part.padEnd(14)} ${describe(measured)}  ${result.tokens} tokens  ${result.fingerprint.slice(0, 90)}`);
      if (!best.has(part) || (best.get(part)?.cpu ?? 0) > measured.cpu) best.set(part, measured);
    },
  };
}

/** @param {{ bytes: number, seconds: number, cpu: number, peak: number }} measured */
const describe = ({ bytes, seconds, cpu, peak }) => `${(bytes / 1e6 / seconds).toFixed(1)} MB/s (${(bytes / 1e6 / cpu).toFixed(1)} per CPU second, +${(peak / 1e6).toFixed(0)} MB)`;

/** @param {Awaited<ReturnType<typeof openSide>>} side */
async function round(side) {
  const { page } = side;
  if (!values['only-engine']) {
    await page.setInputFiles('#files', files);
    await page.evaluate((characters) => window.__textBench.read(characters), Number(values.megabytes) * 1e6);
    await side.measure('tokenize', async () => {
      const { cold, warm } = await page.evaluate(() => window.__textBench.tokenize());
      for (const [cache, { bytes, seconds }] of Object.entries({ cold, warm })) console.error(`${side.name.padEnd(9)} ${cache} cache: ${(bytes / 1e6 / seconds).toFixed(1)} MB/s`);
      return { ...cold, bytes: cold.bytes + warm.bytes, seconds: cold.seconds + warm.seconds };
    });
    await side.measure('fingerprint', () => page.evaluate(() => window.__textBench.fingerprint()));
    await page.evaluate(() => window.__textBench.forget());
    await page.setInputFiles('#files', loadedFiles);
    await side.measure('load', () => page.evaluate(() => window.__textBench.load()));
  }
  await page.setInputFiles('#files', loadedFiles);
  await side.measure('engine', () => page.evaluate(() => window.__textBench.loadInEngine()));
}

const page = {
  path: 'bench/text/index.html', hardware: false,
  dependencies: ['@huggingface/tokenizers', '@noble/hashes/sha2.js', '@noble/hashes/utils.js', '@zip.js/zip.js/index-native.js', 'papaparse', 'htmlparser2', '@streamparser/json', 'idb', 'valibot'],
};
const tree = values.baseline && treeOf(values.baseline);
try {
  await withBenchPage(page, async (own) => {
    const sides = [await openSide(own, 'new')];
    const rounds = async () => {
      for (let i = 0; i < Number(values.rounds); i++) for (const side of sides) await round(side);
    };
    if (!tree) await rounds();
    else {
      await withBenchPage({ ...page, root: tree }, async (other) => {
        sides.unshift(await openSide(other, 'baseline'));
        await rounds();
      });
    }
    const figures = [...sides[0].best.keys()].map((part) => `${part}: ${sides.map(({ name, best }) => `${name} ${describe(/** @type {any} */ (best.get(part)))}`).join(', ')}`);
    const same = [...sides[0].best].every(([part, { fingerprint }]) => sides.every(({ best }) => best.get(part)?.fingerprint === fingerprint));
    reportLine({
      what: 'preparing text', adapter: `${own.context().browser()?.version()} on ../shared/corpus`, log: values.log,
      figures: `${figures.join('; ')}; ${sides.length > 1 ? `results ${same ? 'the same' : 'DIFFER'}` : `${sides[0].best.get('engine')?.tokens} tokens`}`,
    });
  });
} finally {
  if (tree) rmSync(tree, { recursive: true, force: true });
}
