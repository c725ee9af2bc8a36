// Start, pause, single step, resume and stop; a lost device; and the page on a phone.
import { expect, test } from '../pages/studioTest.ts';

const SMALL_RUN = { steps: 400, batchSize: 1, seqLen: 32, evaluateEvery: 200, evaluationTokens: 512, patience: 0 } as const;

test('a run can be paused, stepped, resumed and stopped', async ({ studio, page }) => {
  await studio.open();
  await studio.useSample();
  await studio.project('mostFrequent');
  await studio.setRun(SMALL_RUN);
  await expect(studio.part('memory-run')).toHaveText(/^About [\d.]+ MB of GPU memory\.$/);
  await studio.startTraining();
  await studio.engine.waitFor('train.stepped', { count: 3 });
  // What was estimated before is what it takes, and a little more for weights on their way back.
  const { bytes = 0 } = (await studio.engine.of('memory.estimated')).filter(({ of }) => of === 'run').at(-1) ?? {};
  const { gpuBytes } = await studio.engine.last('train.stepped');
  expect(bytes).toBeGreaterThan(gpuBytes);
  expect(bytes).toBeLessThan(1.5 * gpuBytes);

  await studio.part('train-pause').click();
  await expect(studio.part('train-step')).toBeEnabled();
  // A step under way when the button was pressed still ends.
  await page.waitForTimeout(3000);
  const paused = (await studio.engine.last('train.stepped')).step;
  await page.waitForTimeout(2000);
  expect((await studio.engine.last('train.stepped')).step).toBe(paused);

  await studio.part('train-step').click();
  await studio.engine.waitFor('train.stepped', { count: paused + 1 });
  await page.waitForTimeout(2000);
  expect((await studio.engine.last('train.stepped')).step).toBe(paused + 1);
  await expect(studio.part('train-step-count')).toContainText(String(paused + 1));

  await studio.part('train-resume').click();
  await studio.engine.waitFor('train.stepped', { count: paused + 4 });

  await studio.part('train-stop').click();
  const finished = await studio.engine.waitFor('train.finished');
  expect(finished.reason).toBe('stopped');
  expect(finished.step).toBeLessThan(SMALL_RUN.steps);
  const { figures } = await studio.engine.waitFor('test.evaluated');
  expect(figures.map(({ model }) => model)).toEqual(['slm', 'projected', 'fineTuned']);
  await expect(studio.part('result-table')).toBeVisible();
});

test('a lost device is told, and nothing is shown that was not computed', async ({ studio, browser }) => {
  await studio.open();
  await studio.useSample();
  await studio.project('mostFrequent');
  await studio.setRun(SMALL_RUN);
  await studio.startTraining();
  await studio.engine.waitFor('train.stepped', { count: 2 });
  // Really crashes the browser's GPU process, which is what a driver reset looks like to a page.
  const session = await browser.newBrowserCDPSession();
  await session.send('Browser.crashGpuProcess');
  await expect(studio.part('device-lost')).toBeVisible();
  await expect(studio.part('device-lost')).toContainText(/\w.{20,}/);

  await studio.part('device-reopen').click();
  await expect(studio.part('device-lost')).toBeHidden();
  await studio.part('train-start').click();
  await expect(studio.part('train-state')).toHaveAttribute('data-state', 'running', { timeout: 60_000 });
});

test('the page fits a phone', async ({ studio, page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await studio.open('wasm');
  await studio.useSample();
  await studio.engine.waitFor('expert.analyzed');
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(overflow, 'pixels of horizontal overflow').toBe(0);
});
