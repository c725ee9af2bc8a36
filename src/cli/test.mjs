// `npm test`: installs what is missing and runs everything, stage by stage: WebGPU itself, types, lint, unit tests, kernels in Chromium, the
// build, journeys against the built preview. A failing stage does not hide the next one, except that without WebGPU nothing is worth
// running: that fails at once, never skips. The last line counts test cases; a stage that fails without a failing case counts as one.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTool } from './childProcess.mjs';
import { runScript } from './commandFailure.mjs';
import { ensureChromium, ensureInstalled } from './ensureInstalled.mjs';
import { playwrightCounts, vitestCounts } from './testCounts.mjs';

/** @typedef {import('./testCounts.mjs').TestCounts} TestCounts */

/**
 * @typedef {object} Stage
 * @property {string} name
 * @property {string} script the tool's file below node_modules
 * @property {string[]} args
 * @property {'vitest' | 'playwright'} [report] whose cases are counted
 * @property {boolean} [gate] nothing after it makes sense when it fails
 */

const VITEST = 'vitest/vitest.mjs';
const WEBGPU_TEST = 'src/gpu/device.gpu.test.ts';

/** @type {Stage[]} */
const STAGES = [
  { name: 'WebGPU in Chromium', script: VITEST, args: ['run', '--project', 'gpu', WEBGPU_TEST], report: 'vitest', gate: true },
  { name: 'types', script: 'typescript/bin/tsc', args: ['--noEmit'] },
  { name: 'lint', script: 'eslint/bin/eslint.js', args: ['.'] },
  { name: 'unit tests', script: VITEST, args: ['run', '--project', 'unit'], report: 'vitest' },
  { name: 'GPU kernels in Chromium', script: VITEST, args: ['run', '--project', 'gpu', '--exclude', WEBGPU_TEST], report: 'vitest' },
  { name: 'build', script: 'vite/bin/vite.js', args: ['build', '--logLevel', 'warn'] },
  { name: 'journeys in Chromium', script: '@playwright/test/cli.js', args: ['test', '--config', 'e2e/playwright.config.ts'], report: 'playwright' },
];

/** @type {TestCounts} */
const NO_CASES = { passed: 0, failed: 0, skipped: 0 };

/** @typedef {{ stage: Stage, ok: boolean, seconds: number, counts: TestCounts }} StageResult */

/** @param {Stage} stage @param {string} reportFile @returns {Promise<StageResult>} */
async function runStage(stage, reportFile) {
  console.log(`\n=== ${stage.name} ===`);
  const started = performance.now();
  const { report } = stage;
  const code = report === 'vitest'
    ? await runTool(stage.script, [...stage.args, '--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`])
    : report === 'playwright'
      ? await runTool(stage.script, [...stage.args, '--reporter=list,json'], { env: { PLAYWRIGHT_JSON_OUTPUT_FILE: reportFile } })
      : await runTool(stage.script, stage.args);
  const counted = report === 'vitest' ? vitestCounts(reportFile) : report === 'playwright' ? playwrightCounts(reportFile) : NO_CASES;
  const counts = code !== 0 && counted.failed === 0 ? { ...counted, failed: 1 } : counted;
  return { stage, ok: code === 0 && counts.failed === 0, seconds: (performance.now() - started) / 1000, counts };
}

/** @param {StageResult} result */
function summaryLine({ stage, ok, seconds, counts }) {
  const skipped = counts.skipped ? `, ${counts.skipped} skipped` : '';
  const cases = stage.report ? `${counts.passed} passed, ${counts.failed} failed${skipped}` : '';
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
