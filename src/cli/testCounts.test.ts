import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { playwrightCounts, pytestCounts, vitestCounts } from './testCounts.mjs';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'counts-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const writtenText = (text: string): string => {
  const file = join(folder, 'report');
  writeFileSync(file, text);
  return file;
};
const written = (report: object): string => writtenText(JSON.stringify(report));

it('counts the cases of vitest, and a file that did not load as a failure', () => {
  const report = {
    numPassedTests: 5, numFailedTests: 1, numPendingTests: 2, numTodoTests: 0,
    testResults: [{ status: 'passed', assertionResults: [{}] }, { status: 'failed', assertionResults: [{}] }, { status: 'failed', assertionResults: [] }],
  };
  expect(vitestCounts(written(report))).toEqual({ passed: 5, failed: 2, skipped: 2 });
});

it('counts the cases of Playwright, with flaky ones and errors outside cases as failures', () => {
  expect(playwrightCounts(written({ stats: { expected: 7, unexpected: 1, flaky: 1, skipped: 3 }, errors: [{ message: 'a file does not load' }] }))).toEqual({ passed: 7, failed: 3, skipped: 3 });
});

it('counts the cases of pytest, and a file that could not be imported as a failure', () => {
  const report = `<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest" errors="2" failures="1" skipped="1" tests="5" time="0.031">
    <testcase classname="" name="test_bad" time="0.000"><error message="collection failure">ImportError while importing test module</error></testcase>
    <testcase classname="test_ok" name="test_ok[1 &lt; 2]" time="0.001" /><testcase classname="test_ok" name="test_said" time="0.001"><system-out>&lt;failure &lt;error </system-out></testcase>
    <testcase classname="test_ok" name="test_s" time="0.000"><skipped type="pytest.skip" message="needs ../shared">test_ok.py:3</skipped></testcase>
    <testcase classname="test_ok" name="test_t" time="0.001"><failure message="assert 0">def test_t(f):</failure></testcase>
    <testcase classname="test_ok" name="test_t" time="0.001"><error message="failed on teardown">ValueError</error></testcase>
  </testsuite></testsuites>`;
  expect(pytestCounts(writtenText(report))).toEqual({ passed: 2, failed: 3, skipped: 1 });
});

it('counts nothing where no report was written', () => {
  expect(vitestCounts(join(folder, 'none.json'))).toEqual({ passed: 0, failed: 0, skipped: 0 });
  expect(pytestCounts(join(folder, 'none.xml'))).toEqual({ passed: 0, failed: 0, skipped: 0 });
  expect(playwrightCounts(join(folder, 'none.json'))).toEqual({ passed: 0, failed: 0, skipped: 0 });
});
