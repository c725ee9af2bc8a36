import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { playwrightCounts, vitestCounts } from './testCounts.mjs';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'counts-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const written = (report: object): string => {
  const file = join(folder, 'report.json');
  writeFileSync(file, JSON.stringify(report));
  return file;
};

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

it('counts nothing where no report was written', () => {
  expect(vitestCounts(join(folder, 'none.json'))).toEqual({ passed: 0, failed: 0, skipped: 0 });
  expect(playwrightCounts(join(folder, 'none.json'))).toEqual({ passed: 0, failed: 0, skipped: 0 });
});
