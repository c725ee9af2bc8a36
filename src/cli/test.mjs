// `npm test`: installs what is missing and runs everything: WebGPU itself, types, lint, unit tests, pretraining in PyTorch, kernels in Chromium, the build,
// journeys against the built preview. What runs in Chromium mostly waits for one thread of a shader compiler, so the stages that need no browser run beside it.
// A failing stage does not hide the next one, except that without WebGPU nothing is worth running: that fails at once, never skips. The last line counts test
// cases; a stage that fails without a failing case, or that was to run cases and passed none, counts as one.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand, runTool } from './childProcess.mjs';
import { CommandFailure, runScript } from './commandFailure.mjs';
import { ensureChromium, ensureInstalled, ensurePyTorch } from './ensureInstalled.mjs';
import { playwrightCounts, pytestCounts, vitestCounts } from './testCounts.mjs';

/** @typedef {import('./testCounts.mjs').TestCounts} TestCounts */

/**
 * @typedef {object} Stage
 * @property {string} name
 * @property {(reportFile: string, log?: number) => Promise<number>} run resolves with the exit code; writes to `log` in place of the terminal
 * @property {(reportFile: string) => TestCounts} [count] counts the cases in the report that `run` wrote
 */

const WEBGPU_TEST = 'src/gpu/device.gpu.test.ts';

/** @param {string[]} args @returns {Pick<Stage, 'run' | 'count'>} */
const vitest = (...args) => ({
  run: (report, log) => runTool('vitest/vitest.mjs', ['run', ...args, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`], { log }),
  count: vitestCounts,
});

/** @param {string[]} args @returns {Pick<Stage, 'run' | 'count'>} */
const playwright = (...args) => ({
  run: (report, log) => runTool('@playwright/test/cli.js', ['test', ...args, '--reporter=list,json'], { env: { PLAYWRIGHT_JSON_OUTPUT_FILE: report }, log }),
  count: playwrightCounts,
});

const PYTEST_OPTIONS = ['-q', '-r', 'fEs', '--durations=5', '--continue-on-collection-errors', '-p', 'no:cacheprovider'];
/** Two threads, so that times do not depend on the machine's cores; no cache files, so that the working tree stays clean. */
const PYTHON_ENVIRONMENT = { OMP_NUM_THREADS: '2', PYTHONDONTWRITEBYTECODE: '1' };

/** @param {string} folder @returns {Pick<Stage, 'run' | 'count'>} */
const pytest = (folder) => ({
  run: async (report, log) => runCommand(await ensurePyTorch(), ['-m', 'pytest', folder, ...PYTEST_OPTIONS, `--junitxml=${report}`], { env: PYTHON_ENVIRONMENT, log }),
  count: pytestCounts,
});

/** @param {string} script @param {string[]} args @returns {Pick<Stage, 'run'>} */
const tool = (script, ...args) => ({ run: (_report, log) => runTool(script, args, { log }) });

/** @type {Stage} */
const GATE = { name: 'WebGPU in Chromium', ...vitest('--project', 'gpu', WEBGPU_TEST) };

/** One after another; the lanes of each run side by side. @type {readonly (readonly (readonly Stage[])[])[]} */
const LANES = [
  [
    [{ name: 'GPU kernels in Chromium', ...vitest('--project', 'gpu', '--exclude', WEBGPU_TEST) }],
    [
      { name: 'types', ...tool('typescript/bin/tsc', '--noEmit') },
      { name: 'lint', ...tool('eslint/bin/eslint.js', '.') },
      { name: 'unit tests', ...vitest('--project', 'unit') },
      { name: 'WebAssembly kernels in Node', ...vitest('--project', 'wasm', '--project', 'wasm-fused') },
      { name: 'pretraining in PyTorch', ...pytest('pretrain/tests') },
    ],
  ],
  // Alone: some of them measure time.
  [[
    { name: 'build', ...tool('vite/bin/vite.js', 'build', '--logLevel', 'warn') },
    { name: 'journeys in Chromium', ...playwright('--config', 'e2e/playwright.config.ts') },
  ]],
];

/** @typedef {{ stage: Stage, ok: boolean, seconds: number, counts: TestCounts }} StageResult */

/** A stage's exit code; a failure that is a sentence is said and counts as any other. @param {Stage} stage @param {string} reportFile @param {number} [log] */
async function exitCodeOf(stage, reportFile, log) {
  try {
    return await stage.run(reportFile, log);
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    console.error(error.message);
    return error.exitCode;
  }
}

/** @param {Stage} stage @param {string} folder where reports lie @param {boolean} [beside] other stages: what this one says is printed when it has ended @returns {Promise<StageResult>} */
async function runStage(stage, folder, beside = false) {
  const file = join(folder, stage.name.replaceAll(' ', '-'));
  console.log(beside ? `... ${stage.name}` : `\n=== ${stage.name} ===`);
  const log = beside ? openSync(`${file}.log`, 'w') : undefined;
  const started = performance.now();
  const code = await exitCodeOf(stage, `${file}.json`, log);
  const seconds = (performance.now() - started) / 1000;
  if (log !== undefined) {
    closeSync(log);
    console.log(`\n=== ${stage.name} ===\n${readFileSync(`${file}.log`, 'utf8')}`);
  }
  const counts = stage.count?.(`${file}.json`) ?? { passed: 0, failed: 0, skipped: 0 };
  const ok = code === 0 && counts.failed === 0 && (!stage.count || counts.passed > 0);
  return { stage, ok, seconds, counts: ok || counts.failed > 0 ? counts : { ...counts, failed: 1 } };
}

/** @param {readonly (readonly Stage[])[]} lanes @param {string} folder @returns {Promise<StageResult[]>} */
async function runLanes(lanes, folder) {
  const results = await Promise.all(lanes.map(async (lane) => {
    /** @type {StageResult[]} */
    const ofLane = [];
    for (const stage of lane) ofLane.push(await runStage(stage, folder, lanes.length > 1));
    return ofLane;
  }));
  return results.flat();
}

/** @param {StageResult} result */
function summaryLine({ stage, ok, seconds, counts }) {
  const skipped = counts.skipped ? `, ${counts.skipped} skipped` : '';
  const cases = stage.count ? `${counts.passed} passed, ${counts.failed} failed${skipped}` : '';
  return `${ok ? 'ok    ' : 'FAILED'}  ${stage.name.padEnd(26)} ${seconds.toFixed(1).padStart(7)} s  ${cases}`.trimEnd();
}

async function main() {
  await ensureInstalled();
  await ensureChromium();
  const reports = mkdtempSync(join(tmpdir(), 'studio-test-'));
  /** @type {StageResult[]} */
  const results = [];
  const started = performance.now();
  try {
    results.push(await runStage(GATE, reports));
    if (results[0].ok) for (const lanes of LANES) results.push(...await runLanes(lanes, reports));
    else console.error('\nChromium has no working WebGPU here, so nothing else was run: see the failure above.');
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
  const sum = (/** @type {keyof TestCounts} */ key) => results.reduce((total, { counts }) => total + counts[key], 0);
  console.log('\n=== summary ===');
  for (const result of results) console.log(summaryLine(result));
  console.log(`total ${((performance.now() - started) / 60_000).toFixed(1)} min`);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  return results.every(({ ok }) => ok) ? 0 : 1;
}

await runScript(main);
