// Counts test cases in the JSON reports of vitest and Playwright.
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
