// `npm test`: installs what is missing and runs everything, stage by stage: WebGPU itself, types, lint, unit tests, pretraining in PyTorch,
// kernels in Chromium, the build, journeys against the built preview. A failing stage does not hide the next one, except that without WebGPU
// nothing is worth running: that fails at once, never skips. The last line counts test cases; a stage that fails without a failing case, or
// that was to run cases and passed none, counts as one.
import { mkdtempSync, rmSync } from 'node:fs';
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
 * @property {(reportFile: string) => Promise<number>} run resolves with the exit code
 * @property {(reportFile: string) => TestCounts} [count] counts the cases in the report that `run` wrote
 * @property {boolean} [gate] nothing after it makes sense when it fails
 */

const WEBGPU_TEST = 'src/gpu/device.gpu.test.ts';

/** @param {string[]} args @returns {Pick<Stage, 'run' | 'count'>} */
const vitest = (...args) => ({
  run: (report) => runTool('vitest/vitest.mjs', ['run', ...args, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]),
  count: vitestCounts,
});

/** @param {string[]} args @returns {Pick<Stage, 'run' | 'count'>} */
const playwright = (...args) => ({
  run: (report) => runTool('@playwright/test/cli.js', ['test', ...args, '--reporter=list,json'], { env: { PLAYWRIGHT_JSON_OUTPUT_FILE: report } }),
  count: playwrightCounts,
});

const PYTEST_OPTIONS = ['-q', '-r', 'fEs', '--durations=5', '--continue-on-collection-errors', '-p', 'no:cacheprovider'];
/** Two threads, so that times do not depend on the machine's cores; no cache files, so that the working tree stays clean. */
const PYTHON_ENVIRONMENT = { OMP_NUM_THREADS: '2', PYTHONDONTWRITEBYTECODE: '1' };

/** @param {string} folder @returns {Pick<Stage, 'run' | 'count'>} */
const pytest = (folder) => ({
  run: async (report) => runCommand(await ensurePyTorch(), ['-m', 'pytest', folder, ...PYTEST_OPTIONS, `--junitxml=${report}`], { env: PYTHON_ENVIRONMENT }),
  count: pytestCounts,
});

/** @type {Stage[]} */
const STAGES = [
  { name: 'WebGPU in Chromium', gate: true, ...vitest('--project', 'gpu', WEBGPU_TEST) },
  { name: 'types', run: () => runTool('typescript/bin/tsc', ['--noEmit']) },
  { name: 'lint', run: () => runTool('eslint/bin/eslint.js', ['.']) },
  { name: 'unit tests', ...vitest('--project', 'unit') },
  { name: 'WebAssembly kernels in Node', ...vitest('--project', 'wasm', '--project', 'wasm-fused') },
  { name: 'pretraining in PyTorch', ...pytest('pretrain/tests') },
  { name: 'GPU kernels in Chromium', ...vitest('--project', 'gpu', '--exclude', WEBGPU_TEST) },
  { name: 'build', run: () => runTool('vite/bin/vite.js', ['build', '--logLevel', 'warn']) },
  { name: 'journeys in Chromium', ...playwright('--config', 'e2e/playwright.config.ts') },
];

/** @typedef {{ stage: Stage, ok: boolean, seconds: number, counts: TestCounts }} StageResult */

/** A stage's exit code; a failure that is a sentence is said and counts as any other. @param {Stage} stage @param {string} reportFile */
async function exitCodeOf(stage, reportFile) {
  try {
    return await stage.run(reportFile);
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    console.error(error.message);
    return error.exitCode;
  }
}

/** @param {Stage} stage @param {string} reportFile @returns {Promise<StageResult>} */
async function runStage(stage, reportFile) {
  console.log(`\n=== ${stage.name} ===`);
  const started = performance.now();
  const code = await exitCodeOf(stage, reportFile);
  const counts = stage.count?.(reportFile) ?? { passed: 0, failed: 0, skipped: 0 };
  const ok = code === 0 && counts.failed === 0 && (!stage.count || counts.passed > 0);
  return { stage, ok, seconds: (performance.now() - started) / 1000, counts: ok || counts.failed > 0 ? counts : { ...counts, failed: 1 } };
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
  try {
    for (const [index, stage] of STAGES.entries()) {
      const result = await runStage(stage, join(reports, `${index}.json`));
      results.push(result);
      if (stage.gate && !result.ok) {
        console.error('\nChromium has no working WebGPU here, so nothing else was run: see the failure above.');
        break;
      }
    }
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
  const sum = (/** @type {keyof TestCounts} */ key) => results.reduce((total, { counts }) => total + counts[key], 0);
  const seconds = results.reduce((total, result) => total + result.seconds, 0);
  console.log('\n=== summary ===');
  for (const result of results) console.log(summaryLine(result));
  console.log(`total ${(seconds / 60).toFixed(1)} min`);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  return results.every(({ ok }) => ok) ? 0 : 1;
}

await runScript(main);
