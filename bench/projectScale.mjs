// node bench/projectScale.mjs [--engine webgpu|wasm] [--place dropped|stored] [--rounds 2] [--folder DIR] [--hardware] [--log]
// Writes a projected network of the paper's size with random weights (2.9 GB in float16) to a temporary folder, and projects experts of it in headless Chromium under WebGPU's default limits:
// MB/s against the browser's reading alone and against plainly reading the file outside it, in turn, its pages dropped from the system's cache before each, whether the page reads the dropped file
// or a copy in its storage, as packs from an address are kept; and the memory, summed over all of the browser's processes, that
// opening and projecting takes on top of the page and of the bytes of all GPU buffers (with a software adapter they lie in the same memory). The folder is deleted at the end.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reportLine, withBenchPage } from './benchBrowser.mjs';
import { withModules } from './nodeGpu.mjs';
import { peakWhile } from './peakWhile.mjs';

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'wasm' },
    place: { type: 'string', default: 'dropped' },
    rounds: { type: 'string', default: '2' },
    folder: { type: 'string', default: tmpdir() },
    hardware: { type: 'boolean', default: false },
    log: { type: 'boolean', default: false },
  },
});
if (values.engine !== 'webgpu' && values.engine !== 'wasm') throw new Error(`--engine takes webgpu or wasm, not ${values.engine}`);
if (values.place !== 'dropped' && values.place !== 'stored') throw new Error(`--place takes dropped or stored, not ${values.place}`);
const SAMPLE_MS = 100;

/** Drops a file's pages from the system's cache, so that what follows reads the disk. @param {string} path */
function dropFromCache(path) {
  const sync = spawnSync('sync', [path]);
  const { status, error } = spawnSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
  if (sync.status !== 0 || status !== 0) throw new Error(`dd could not drop ${path} from the cache: ${error?.message ?? status}`);
}

/** MB/s of reading a file from its beginning to its end. @param {string} path */
function plainReading(path) {
  const memory = new Uint8Array(4 << 20);
  const file = openSync(path, 'r');
  const start = performance.now();
  let bytes = 0;
  for (let count = 1; count > 0; bytes += count) count = readSync(file, memory);
  closeSync(file);
  return bytes / 1e3 / (performance.now() - start);
}

/** Bytes of memory of all processes of a browser, shared pages counted once. @param {import('playwright').CDPSession} session */
async function browserBytes(session) {
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  return processInfo.reduce((sum, { id }) => {
    try {
      return sum + 1024 * Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${id}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch {
      return sum; // the process has just ended
    }
  }, 0);
}

/** The largest file in a folder and all below it. @param {string} folder */
function largestFile(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return files.reduce((largest, file) => (statSync(file).size > statSync(largest).size ? file : largest));
}

const folder = mkdtempSync(join(values.folder, 'project-scale-'));
try {
  const written = join(folder, 'pn.safetensors');
  const profile = join(folder, 'profile');
  const fileBytes = await withModules(async (load) => (await load('bench/projectScale/randomNetwork.ts')).writeRandomNetwork(written));
  console.error(`${written}: ${fileBytes} bytes`);
  const { result } = await withBenchPage({ path: 'bench/projectScale/index.html', hardware: values.hardware, profile, dependencies: ['@noble/hashes/sha2.js', '@noble/hashes/utils.js'] }, async (page) => {
    await page.waitForFunction(() => '__projectScale' in window, undefined, { timeout: 300_000 });
    const session = await /** @type {import('playwright').Browser} */ (page.context().browser()).newBrowserCDPSession();
    const pageBytes = await browserBytes(session);
    await page.setInputFiles('#file', written);
    const opened = await page.evaluate(([place, engine]) => window.__projectScale.open(/** @type {any} */ (place), /** @type {any} */ (engine)), [values.place, values.engine]);
    const path = values.place === 'stored' ? largestFile(profile) : written;
    // Before anything is read: what reading leaves behind counts, too.
    const openedBytes = await browserBytes(session);
    const rounds = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      dropFromCache(path);
      const plain = plainReading(path);
      dropFromCache(path);
      const reading = await page.evaluate(() => window.__projectScale.read());
      const readingRate = reading.bytesRead / 1e6 / reading.seconds;
      dropFromCache(path);
      const before = await browserBytes(session);
      const running = page.evaluate((expert) => window.__projectScale.project(expert), round);
      const { result: projection, peak: peakBytes } = await peakWhile(running, () => browserBytes(session), SAMPLE_MS, before);
      const rate = projection.bytesRead / 1e6 / projection.seconds;
      rounds.push({ plainMegabytesPerSecond: plain, readingMegabytesPerSecond: readingRate, megabytesPerSecond: rate, shareOfPlain: rate / plain, shareOfReading: rate / readingRate, abovePageAndGpu: peakBytes - pageBytes - opened.gpuBytes, aboveOpened: peakBytes - openedBytes, ...projection });
      console.error(`round ${round + 1}: plain ${plain.toFixed(0)} MB/s, the browser's reading alone ${readingRate.toFixed(0)} MB/s, projection ${rate.toFixed(0)} MB/s, ${((peakBytes - pageBytes - opened.gpuBytes) / 1e6).toFixed(0)} MB above page and GPU buffers, relative error ${projection.relativeError}`);
    }
    return { ...opened, fileBytes, pageBytes, rounds };
  });
  console.log(JSON.stringify(result, undefined, 2));
  reportLine({
    what: `projection of the paper's network (${(fileBytes / 1e9).toFixed(2)} GB from disk, ${values.place})`,
    adapter: result.adapter,
    figures: `${result.rounds.map(({ plainMegabytesPerSecond: plain, readingMegabytesPerSecond: reading, megabytesPerSecond }) => `${megabytesPerSecond.toFixed(0)} MB/s where the browser's reading alone has ${reading.toFixed(0)} and plain reading outside it ${plain.toFixed(0)}`).join(', ')}`
      + `; at most ${(Math.max(...result.rounds.map(({ abovePageAndGpu }) => abovePageAndGpu)) / 1e6).toFixed(0)} MB on top of the page and ${(result.gpuBytes / 1e6).toFixed(0)} MB of GPU buffers`
      + `; largest relative error ${Math.max(...result.rounds.map(({ relativeError }) => relativeError)).toExponential(1)}`,
    log: values.log,
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
