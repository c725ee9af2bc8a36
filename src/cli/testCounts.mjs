// Counts test cases in the reports of vitest and Playwright (JSON) and of pytest (JUnit XML). Plain JavaScript without dependencies.
import { existsSync, readFileSync } from 'node:fs';

/**
 * @typedef {object} TestCounts
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 */

/** @param {string} file @returns {any} the parsed report, or undefined when the tool ended before writing it */
function readReport(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

/**
 * Counts of a vitest report (`--reporter=json`). A file that could not be loaded has no cases and counts as one failure.
 * @param {string} file
 * @returns {TestCounts}
 */
export function vitestCounts(file) {
  const report = readReport(file);
  if (!report) return { passed: 0, failed: 0, skipped: 0 };
  const files = /** @type {{ status: string, assertionResults: unknown[] }[]} */ (report.testResults);
  const unloaded = files.filter((result) => result.status === 'failed' && result.assertionResults.length === 0).length;
  return { passed: report.numPassedTests, failed: report.numFailedTests + unloaded, skipped: report.numPendingTests + report.numTodoTests };
}

/**
 * Counts of a Playwright report (`--reporter=json`). Errors outside any case (a file that does not load) count as failures.
 * @param {string} file
 * @returns {TestCounts}
 */
export function playwrightCounts(file) {
  const report = readReport(file);
  if (!report) return { passed: 0, failed: 0, skipped: 0 };
  const { expected, unexpected, flaky, skipped } = report.stats;
  return { passed: expected, failed: unexpected + flaky + report.errors.length, skipped };
}

/**
 * Counts of a pytest report (`--junitxml`). A case of its own stands there for every file that could not be imported; it counts as a failure.
 * @param {string} file
 * @returns {TestCounts}
 */
export function pytestCounts(file) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  if (!existsSync(file)) return counts;
  // Text and attributes have their < escaped, so what looks like a tag is one.
  const cases = readFileSync(file, 'utf8').split(/<testcase\s/).slice(1);
  for (const content of cases) counts[/<(failure|error)\s/.test(content) ? 'failed' : /<skipped\s/.test(content) ? 'skipped' : 'passed']++;
  return counts;
}
