// Nothing leaves the page: no foreign origin is allowed or asked, training works with the network off, and a second visit downloads nothing of the pack.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { expect, test } from '../pages/studioTest.ts';
import { PACK_FOLDER } from '../pages/texts.ts';

/** What every pack needs beside pack.json; whatever else it lists is fetched only when asked for. */
const NEEDED_FILES = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'clusters.json', 'clusters.safetensors', 'encoder.onnx', 'slm.safetensors', 'pn.safetensors'];

/** Addresses the page and its workers ask the network for, from now on. */
function requestsOf(page: Page): string[] {
  const addresses: string[] = [];
  page.on('request', (request) => {
    if (/^https?:|^wss?:/.test(request.url())) addresses.push(request.url());
  });
  return addresses;
}

test('the policy allows no foreign origin, and none is asked', async ({ studio, page, baseURL }) => {
  const requests = requestsOf(page);
  const response = await page.goto('./');
  const fromServer = response?.headers()['content-security-policy'] ?? '';
  // Isolated from other origins, the page may share memory with its threads.
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  await studio.open();
  const fromPage = await page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute('content') ?? '';
  for (const policy of [fromServer, fromPage]) {
    expect(policy).toContain("default-src 'none'");
    const sources = policy.split(';').flatMap((directive) => directive.trim().split(/\s+/).slice(1));
    expect(sources.length).toBeGreaterThan(5);
    expect(sources.filter((source) => !["'none'", "'self'", "'wasm-unsafe-eval'", "'unsafe-inline'", 'blob:', 'data:'].includes(source))).toEqual([]);
  }
  await studio.useSample();
  await studio.engine.waitFor('expert.analyzed');
  // The engine's worker is listened to as well: it is what fetched the pack.
  expect(requests.some((address) => address.endsWith('/packs/nano/pn.safetensors'))).toBe(true);
  expect(requests.filter((address) => new URL(address).origin !== new URL(baseURL!).origin)).toEqual([]);
  // The policy is at work: the page cannot reach another origin even when asked to.
  expect(await page.evaluate(() => fetch('https://example.com/').then(() => 'reached', () => 'refused'))).toBe('refused');
});

test('no request leaves the page while it trains, samples and exports, and it works with the network off', async ({ studio, page, context }) => {
  await studio.open('wasm');
  await studio.useSample();
  await studio.project('mostFrequent');
  const requests = requestsOf(page);
  await context.setOffline(true);
  await studio.setRun({ steps: 6, batchSize: 1, seqLen: 32, evaluateEvery: 3, evaluationTokens: 512, patience: 0 });
  await studio.startTraining();
  await studio.engine.waitFor('test.evaluated');
  await studio.sample('The miller opened the gate');
  await studio.exportModel();
  expect((await studio.engine.of('train.stepped')).length).toBe(6);
  expect(requests).toEqual([]);
  await context.setOffline(false);
});

test('a second visit downloads nothing of the pack', async ({ studio, page }) => {
  await studio.open('wasm');
  const manifestText = readFileSync(join(PACK_FOLDER, 'pack.json'), 'utf8');
  const { files } = JSON.parse(manifestText) as { files: Record<string, { bytes: number }> };
  const needed = NEEDED_FILES.reduce((sum, name) => sum + files[name].bytes, Buffer.byteLength(manifestText));
  expect((await studio.engine.last('pack.loaded')).pack.downloadedBytes).toBe(needed);
  const requests = requestsOf(page);
  await page.reload();
  await expect(studio.part('pack-ready')).toBeVisible();
  expect((await studio.engine.last('pack.loaded')).pack.downloadedBytes).toBe(0);
  expect(requests.filter((address) => address.includes('/packs/'))).toEqual([]);
});
