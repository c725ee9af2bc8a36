// Methods raced on the user's text: reload in the middle, continue, compare, take a run to another browser profile.
import { readFile } from 'node:fs/promises';
import type { RunRecord } from '../../src/config/runRecord.ts';
import type { EventOf } from '../../src/protocol/events.ts';
import { StudioPage } from '../pages/StudioPage.ts';
import { expect, test } from '../pages/studioTest.ts';

/** Milliseconds after which a run that began has a checkpoint (src/engine/checkpointPace.ts), with some to spare for writing it. */
const CHECKPOINTED_AFTER = 8_000;
/** Of each run: more than the race takes before it is broken off. */
const RACE_STEPS = 400;

const METHODS = ['SLM', 'SLM-nopt', 'SLM-pn'] as const;

async function finishedRuns(studio: StudioPage): Promise<RunRecord[]> {
  const records = (await studio.engine.of('run.changed')).map(({ run }) => run);
  return [...new Map(records.map((run) => [run.runId, run])).values()].filter(({ state }) => state === 'finished');
}

/** The first step of each run since the page was opened. */
async function firstSteps(studio: StudioPage): Promise<EventOf<'run.stepped'>[]> {
  const steps = await studio.engine.of('run.stepped');
  return steps.filter(({ runId }, index) => steps.findIndex((step) => step.runId === runId) === index);
}

test('a run of step 4 survives a reload and ends as a kept run', async ({ studio, page }) => {
  await studio.open();
  await studio.useSample();
  await studio.project('mostFrequent');
  await studio.setRun({ steps: 60, batchSize: 2, seqLen: 64, evaluateEvery: 20, evaluationTokens: 1024, patience: 0 });
  await studio.startTraining();
  await studio.engine.waitFor('train.stepped', { count: 10 });
  await page.waitForTimeout(CHECKPOINTED_AFTER);
  await page.reload();
  await expect(studio.part('pack-ready')).toBeVisible({ timeout: 120_000 });
  await expect(studio.part('runs-interrupted')).toBeVisible();
  await studio.part('run-take-up').click();
  await expect.poll(async () => (await finishedRuns(studio)).length, { timeout: 240_000 }).toBe(1);
  const [run] = await finishedRuns(studio);
  expect((await firstSteps(studio))[0].step, 'goes on from its checkpoint').toBeGreaterThan(1);
  expect(run.phases).toMatchObject([{ name: 'fineTuning', steps: 60 }]);
  expect(run.curve.map(({ step }) => step)).toEqual([0, 20, 40, 60]);
  expect(run.test?.after.perplexity).toBeLessThan(run.test?.before?.perplexity ?? 0);
  await expect(studio.part('runs-interrupted')).toBeHidden();
});

test('a race survives a reload, ends in a table, and a run goes to another profile', async ({ studio, page, browser }) => {
  await studio.open('wasm');
  await studio.useSample();
  await studio.project('mostFrequent');
  await studio.setRun({ batchSize: 2, seqLen: 64, evaluateEvery: 100, evaluationTokens: 1024, patience: 0 });
  await studio.part('race-method-SLM-nopt').check();
  await studio.part('race-budget').fill(String(RACE_STEPS * 2 * 64));
  await studio.part('race-start').click();
  // Long enough that there is a checkpoint of each to go on from.
  await expect.poll(async () => (await studio.engine.of('run.stepped')).length, { timeout: 120_000 }).toBeGreaterThan(15);
  await page.waitForTimeout(CHECKPOINTED_AFTER);
  await expect(studio.part('race-chart')).toBeVisible();

  await page.reload();
  await expect(studio.part('pack-ready')).toBeVisible({ timeout: 120_000 });
  await expect(page.locator('[data-testid=run-item][data-state=interrupted]')).toHaveCount(METHODS.length, { timeout: 60_000 });
  // The text is kept with the runs: nothing has to be dropped again.
  await studio.part('take-up-all').click();
  await expect.poll(async () => (await finishedRuns(studio)).length, { timeout: 240_000 }).toBe(METHODS.length);

  expect((await firstSteps(studio)).length).toBe(METHODS.length);
  for (const { step } of await firstSteps(studio)) expect(step, 'goes on from its checkpoint').toBeGreaterThan(1);
  const runs = await finishedRuns(studio);
  for (const run of runs) {
    expect(run.phases.reduce((sum, { steps }) => sum + steps, 0)).toBe(RACE_STEPS);
    expect(run.test?.after.perplexity).toBeLessThan(run.test?.before?.perplexity ?? 0);
  }
  for (const box of await studio.part('run-item').locator('input[type="checkbox"]').all()) await box.check();
  await expect(studio.part('method-table').locator('tbody tr')).toHaveCount(METHODS.length);
  await expect(studio.part('race-conclusion')).toContainText(/test documents/);

  // Two runs left to compare: what differs between them is listed.
  await studio.part('run-item').nth(0).locator('input[type="checkbox"]').uncheck();
  await expect(studio.part('settings-difference')).toContainText('Method');

  const download = page.waitForEvent('download');
  await studio.part('run-item').nth(1).getByTestId('run-export').click();
  const file = await (await download).path();

  const elsewhere = await browser.newContext();
  const other = await StudioPage.create(await elsewhere.newPage());
  await other.open();
  await other.part('run-import').setInputFiles({ name: 'run.zip', mimeType: 'application/zip', buffer: await readFile(file) });
  const { run: imported } = await other.engine.waitFor('run.changed');
  const original = runs.find(({ runId }) => runId === imported.runId);
  expect(imported.curve).toEqual(original?.curve);
  expect(imported.test).toEqual(original?.test);
  await expect(other.part('run-item')).toHaveCount(1);
  await elsewhere.close();
});
