// `npm run specialize`: runs the studio's engine in headless Chromium on files of this machine. Progress on stderr; the last thing on stdout
// is the JSON report. Failures are one sentence on stderr and a non-zero exit code.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ensureBuilt } from './build.mjs';
import { CHROMIUM_FLAGS, CHROMIUM_HARDWARE_FLAGS } from './chromium.mjs';
import { CommandFailure, runScript } from './commandFailure.mjs';
import { ensureChromium, ensureInstalled } from './ensureInstalled.mjs';
import { servePreview } from './previewServer.mjs';
import { saveDownloads } from './savedDownloads.mjs';
import { HELP, readArguments } from './specializeArguments.mjs';

/** @typedef {import('./specializeArguments.mjs').SpecializeArguments} SpecializeArguments */
/** @typedef {import('../pages/specialize.ts').DrivenRequest} DrivenRequest */
/** @typedef {import('../pages/specialize.ts').DrivenOutcome} DrivenOutcome */

const FIRST_PORT = 4273;
/** What shells expect of a program that was ended by Ctrl-C. */
const INTERRUPTED = 130;

/** Device files that a GPU's driver makes on Linux; macOS and Windows always have one. */
const GPU_DEVICES = ['/dev/dri', '/dev/nvidia0', '/dev/dxg'];

/** The sets of flags to try in turn: with `auto` on a machine with a GPU, software follows where the browser cannot use it. @param {SpecializeArguments['adapter']} adapter */
function browserFlags(adapter) {
  if (adapter === 'hardware') return [CHROMIUM_HARDWARE_FLAGS];
  const hasGpu = process.platform !== 'linux' || GPU_DEVICES.some((path) => existsSync(path));
  return adapter === 'auto' && hasGpu ? [CHROMIUM_HARDWARE_FLAGS, CHROMIUM_FLAGS] : [CHROMIUM_FLAGS];
}

/**
 * Opens the driven page in `browser`, hands it the files and waits for its report.
 * @param {import('playwright').Browser} browser
 * @param {string} url
 * @param {SpecializeArguments} request
 * @returns {Promise<DrivenOutcome>}
 */
async function drive(browser, url, request) {
  const page = await browser.newPage({ acceptDownloads: true });
  page.setDefaultTimeout(0);
  const crashed = new Promise((_, reject) => {
    page.on('crash', () => reject(new CommandFailure('The browser tab crashed, most likely for want of memory.')));
    page.on('close', () => reject(new CommandFailure('The browser was closed before the end.')));
  });
  await page.exposeFunction('reportProgress', (/** @type {string} */ line) => console.error(line));
  await page.goto(new URL('specialize.html', url).href);
  await page.locator('#data-files').setInputFiles(request.data.map(({ file }) => file));
  if (request.pack) await page.locator('#pack-files').setInputFiles(request.pack.map(({ file }) => file));

  const allSaved = request.out === undefined ? undefined : saveDownloads(page, request.out);
  /** @type {DrivenRequest} */
  const driven = {
    dataNames: request.data.map(({ name }) => name),
    packNames: request.pack?.map(({ name }) => name) ?? [],
    strategy: request.expert,
    methods: request.methods,
    budget: request.budget,
    steps: request.steps,
    seed: request.seed,
    exportFiles: request.out !== undefined,
    requireHardware: request.adapter === 'hardware',
    engine: { engine: request.engine, without: request.without },
  };
  const outcome = /** @type {DrivenOutcome} */ (await Promise.race([page.evaluate((asked) => window.specialize(asked), driven), crashed]));
  if ('report' in outcome && allSaved) await Promise.race([allSaved(outcome.files), crashed]);
  return outcome;
}

/** Creates the folders the results go to, so that a wrong path fails before the work. @param {SpecializeArguments} request */
function prepareOutputs({ out, json }) {
  for (const folder of [out, json === undefined ? undefined : dirname(resolve(json))]) {
    if (folder === undefined) continue;
    try {
      mkdirSync(folder, { recursive: true });
    } catch (error) {
      throw new CommandFailure(`The folder ${folder} cannot be made: ${/** @type {Error} */ (error).message}.`);
    }
  }
}

/** Rejects when the user or the system asks the program to end. @returns {Promise<never>} */
function untilInterrupted() {
  return new Promise((_, reject) => {
    const end = () => reject(new CommandFailure('Interrupted.', INTERRUPTED));
    process.once('SIGINT', end);
    process.once('SIGTERM', end);
  });
}

/** @param {string} executablePath @param {string} url @param {SpecializeArguments} request @returns {Promise<DrivenOutcome>} */
async function runInBrowser(executablePath, url, request) {
  const { chromium } = await import('playwright');
  const interrupted = untilInterrupted();
  const attempts = browserFlags(request.adapter);
  for (const [attempt, args] of attempts.entries()) {
    const browser = await chromium.launch({ executablePath, args, handleSIGINT: false, handleSIGTERM: false });
    try {
      const outcome = await Promise.race([drive(browser, url, request), interrupted]);
      const isLast = attempt === attempts.length - 1;
      if (isLast || !('failure' in outcome && outcome.withoutDevice)) return outcome;
      console.error('The GPU cannot be used by this browser; trying its software adapter.');
    } finally {
      await browser.close();
    }
  }
  throw new Error('no browser flags to try');
}

async function main() {
  const request = readArguments(process.argv.slice(2));
  if (request === 'help') {
    console.log(HELP);
    return 0;
  }
  prepareOutputs(request);
  await ensureInstalled();
  const executablePath = await ensureChromium();
  await ensureBuilt();
  const server = await servePreview(FIRST_PORT);
  try {
    const outcome = await runInBrowser(executablePath, server.url, request);
    if ('failure' in outcome) throw new CommandFailure(outcome.failure);
    if (request.json) writeFileSync(request.json, `${JSON.stringify(outcome.report, null, 2)}\n`);
    for (const line of outcome.summary) console.error(line);
    // One line, so that a program that reads npm's output can take the last one.
    console.log(JSON.stringify(outcome.report));
    return outcome.complete ? 0 : 1;
  } finally {
    await server.close();
  }
}

await runScript(main);
