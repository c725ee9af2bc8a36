// 300 steps: memory stays flat on the GPU and in JavaScript, steps do not slow down, and the page never stalls. Steps are small, so that a software GPU is
// done in minutes.
import type { Browser, Page } from '@playwright/test';
import { HeapProbe } from '../pages/heapUsage.ts';
import { recordMainThread, type MainThreadTask } from '../pages/mainThreadTasks.ts';
import { StudioPage } from '../pages/StudioPage.ts';
import { expect, reportMeasured, test } from '../pages/studioTest.ts';

const STEPS = 300;
const WINDOW = 50;
/** Steps before a window: the first ones warm up. */
const WARM_UP = 10;
/** Times a slow window is held against a fresh page's steps. */
const CLEARINGS = 4;
const MEGABYTE = 2 ** 20;

/** @param share of the values that are smaller than the one returned */
const quantile = (values: readonly number[], share: number): number => [...values].sort((a, b) => a - b)[Math.floor(values.length * share)];

/** What a step takes when nothing else wants the cores: a program beside the test slows some steps of a window, a run that grows slower slows all of them. */
const undisturbed = (stepSeconds: readonly number[]): number => quantile(stepSeconds, 0.1);

async function startLongRun(studio: StudioPage): Promise<void> {
  await studio.open();
  await studio.useSample();
  await studio.project('mostFrequent');
  await studio.setRun({ steps: 2 * STEPS, batchSize: 1, seqLen: 32, evaluateEvery: 100, evaluationTokens: 1024, patience: 0 });
  await studio.startTraining();
}

/** Each step's own time, in seconds. */
async function stepTimes(studio: StudioPage): Promise<number[]> {
  const steps = await studio.engine.of('train.stepped');
  return steps.map(({ seconds }, index) => seconds - (index === 0 ? 0 : steps[index - 1].seconds));
}

/** The first steps of a run, past its warm-up. */
const firstWindow = (times: readonly number[]): readonly number[] => times.slice(WARM_UP, WARM_UP + WINDOW);

/** Times of the first steps of a run in a fresh browser profile: what a step takes now, on this machine, without a history. */
async function freshRun(browser: Browser, baseURL: string): Promise<readonly number[]> {
  const context = await browser.newContext({ baseURL });
  try {
    const studio = await StudioPage.create(await context.newPage());
    await startLongRun(studio);
    await studio.engine.waitFor('train.stepped', { count: WARM_UP + WINDOW });
    return firstWindow(await stepTimes(studio));
  } finally {
    await context.close();
  }
}

/** The longest main-thread task of each hundred steps until `STEPS` are done, in computing and by the clock. */
async function longestTasks(studio: StudioPage, browser: Browser, page: Page): Promise<MainThreadTask[]> {
  const longest: MainThreadTask[] = [];
  for (let count = 100; count <= STEPS; count += 100) {
    const stopRecording = await recordMainThread(browser, page);
    await studio.engine.waitFor('train.stepped', { count });
    const tasks = await stopRecording();
    longest.push({ cpu: Math.max(...tasks.map(({ cpu }) => cpu)), wall: Math.max(...tasks.map(({ wall }) => wall)) });
  }
  return longest;
}

test('300 steps leave memory flat, keep their speed and never stall the page', async ({ studio, browser, page, baseURL }) => {
  test.setTimeout(15 * 60_000);
  await startLongRun(studio);
  const probe = await HeapProbe.attach(page);
  await studio.engine.waitFor('train.stepped', { count: WARM_UP });
  const heapAtStart = await probe.bytes();
  const longest = await longestTasks(studio, browser, page);
  const growth = (await probe.bytes() - heapAtStart) / MEGABYTE;

  const first = undisturbed(firstWindow(await stepTimes(studio)));
  const ratios = [undisturbed((await stepTimes(studio)).slice(-WINDOW)) / first];
  // A machine that has become slower since (its cores are shared) slows a fresh page as much; a run that itself grows slower stays slower than a fresh one.
  for (let clearing = 0; ratios.at(-1)! >= 1.05 && clearing < CLEARINGS; clearing++) {
    await studio.part('train-pause').click();
    await expect(studio.part('train-resume')).toBeVisible();
    const fresh = undisturbed(await freshRun(browser, baseURL!));
    await studio.part('train-resume').click();
    const done = (await studio.engine.of('train.stepped')).length;
    await studio.engine.waitFor('train.stepped', { count: done + WINDOW });
    ratios.push(undisturbed((await stepTimes(studio)).slice(-WINDOW)) / fresh);
  }
  await studio.part('train-stop').click();

  const list = (key: keyof MainThreadTask): string => longest.map((task) => task[key].toFixed(0)).join(', ');
  reportMeasured(
    `JS heap ${growth.toFixed(2)} MB more after ${STEPS} steps; last 50 steps at ${ratios[0].toFixed(3)} of the time of steps 10 to 60 (${(1000 * first).toFixed(0)} ms)` +
      `${ratios.slice(1).map((ratio) => `, at ${ratio.toFixed(3)} of a fresh page's`).join('')}; longest main-thread task of each hundred steps ${list('cpu')} ms of computing, ` +
      `${list('wall')} ms by the clock`,
  );
  const gpuBytes = (await studio.engine.of('train.stepped')).map((step) => step.gpuBytes);
  expect(new Set(gpuBytes).size, 'GPU memory is the same at every step').toBe(1);
  expect(growth).toBeLessThan(10);
  expect(ratios.at(-1)).toBeLessThan(1.05);
  // Every hundred steps do the same. A stall of the page's own comes back in each; one hundred's alone is a core that was taken away in the middle of a task.
  expect(quantile(longest.map(({ cpu }) => cpu), 0.5), 'longest main-thread task of a hundred steps, in ms of computing').toBeLessThanOrEqual(50);
});
