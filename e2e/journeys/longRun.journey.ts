// 300 steps: memory stays flat on the GPU and in JavaScript, steps do not slow down, and the page never stalls. Steps are small, so that a software GPU is
// done in minutes.
import { HeapProbe } from '../pages/heapUsage.ts';
import { expect, reportMeasured, test } from '../pages/studioTest.ts';

const STEPS = 300;
const MEGABYTE = 2 ** 20;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

test('300 steps leave memory flat, keep their speed and never stall the page', async ({ studio }) => {
  test.setTimeout(15 * 60_000);
  await studio.page.addInitScript(() => {
    const durations: number[] = [];
    Object.assign(window, { longTasks: durations });
    new PerformanceObserver((list) => durations.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: 'longtask' });
  });
  await studio.open();
  await studio.useSample();
  await studio.project('mostFrequent');
  await studio.setRun({ steps: STEPS, batchSize: 1, seqLen: 32, evaluateEvery: 100, evaluationTokens: 1024, patience: 0 });
  const probe = await HeapProbe.attach(studio.page);
  await studio.startTraining();
  await studio.engine.waitFor('train.stepped', { count: 10 });
  const heapAtStart = await probe.bytes();
  const tasksBefore = await studio.page.evaluate(() => (window as unknown as { longTasks: number[] }).longTasks.splice(0).length);

  await studio.engine.waitFor('train.stepped', { count: STEPS, timeout: 12 * 60_000 });
  const longTasks = await studio.page.evaluate(() => (window as unknown as { longTasks: number[] }).longTasks);
  await studio.engine.waitFor('train.finished');
  const heapAtEnd = await probe.bytes();

  const steps = await studio.engine.of('train.stepped');
  const stepSeconds = steps.map(({ seconds }, index) => seconds - (index === 0 ? 0 : steps[index - 1].seconds));
  const ratio = median(stepSeconds.slice(-50)) / median(stepSeconds.slice(10, 60));
  const growth = (heapAtEnd - heapAtStart) / MEGABYTE;
  const worstTask = Math.max(0, ...longTasks);
  reportMeasured(
    `JS heap ${growth.toFixed(2)} MB more after ${STEPS} steps; last 50 steps at ${ratio.toFixed(3)} of the time of steps 10 to 60 (${(1000 * median(stepSeconds)).toFixed(0)} ms); ` +
      `${longTasks.length} main-thread tasks over 50 ms while training, worst ${worstTask.toFixed(0)} ms (${tasksBefore} before)`,
  );
  expect(new Set(steps.map(({ gpuBytes }) => gpuBytes)).size, 'GPU memory is the same at every step').toBe(1);
  expect(growth).toBeLessThan(10);
  expect(ratio).toBeLessThan(1.05);
  expect(worstTask, 'main-thread tasks while training, in ms').toBe(0);
});
