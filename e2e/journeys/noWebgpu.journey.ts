// A browser without WebGPU: the page says so, tells how to get it, and trains in WebAssembly; where its address forbids that, pack and data can still be inspected. A real way of not having
// it: Chromium on Linux without its flag, where the interface is there and no adapter is given.
import { chromium, type Browser } from '@playwright/test';
import { chromiumExecutable } from '../../src/cli/chromium.mjs';
import { StudioPage } from '../pages/StudioPage.ts';
import { expect, test } from '../pages/studioTest.ts';

let browser: Browser;

test.beforeAll(async () => {
  browser = await chromium.launch({ executablePath: chromiumExecutable(), args: ['--no-sandbox', '--disable-features=WebGPU'] });
});
test.afterAll(() => browser.close());

test('without an adapter the page says so and trains on the processor', async ({ baseURL }) => {
  const context = await browser.newContext({ baseURL });
  const studio = await StudioPage.create(await context.newPage());
  await studio.open('auto');
  const { adapter, fallback } = await studio.engine.waitFor('device.ready');
  expect(fallback?.because).toBe('noWebGpu');
  await expect(studio.part('device')).toContainText(adapter.name);
  const notice = studio.part('no-webgpu');
  await expect(notice).toContainText(/no access to a GPU.*WebAssembly, \d+ threads?/);
  for (const name of ['Chrome', 'Firefox', 'Safari']) await expect(notice).toContainText(name);

  await studio.useSample();
  await studio.project('mostFrequent');
  await studio.setRun({ steps: 10, evaluateEvery: 5, batchSize: 4, seqLen: 128, patience: 0 });
  await studio.startTraining();
  const { figures } = await studio.engine.waitFor('test.evaluated');
  const perplexity = (model: string): number => figures.find((figure) => figure.model === model)!.perplexity;
  expect(perplexity('fineTuned')).toBeLessThan(perplexity('projected'));
  await context.close();
});

test('where WebAssembly is not wanted, the page still inspects pack and data', async ({ baseURL }) => {
  const context = await browser.newContext({ baseURL });
  const studio = await StudioPage.create(await context.newPage());
  await studio.open();
  await studio.engine.waitFor('device.unavailable');
  const notice = studio.part('no-webgpu');
  await expect(notice).toBeVisible();
  await expect(notice).toContainText(/WebGPU/);
  for (const name of ['Chrome', 'Firefox', 'Safari']) await expect(notice).toContainText(name);

  await studio.useSample();
  const { data } = await studio.engine.last('data.loaded');
  expect(data.documents).toBeGreaterThan(10);
  await studio.engine.waitFor('expert.analyzed');
  // What needs the GPU is not offered.
  await expect(studio.part('expert-project')).toBeDisabled();
  await expect(studio.part('train-start')).toHaveCount(0);
  await context.close();
});
