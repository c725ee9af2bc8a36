// Journeys in a real Chromium against the built preview. One at a time: they share the machine's GPU (or the two cores that stand in for one), and
// some of them measure time.
import { defineConfig } from '@playwright/test';
import { CHROMIUM_FLAGS, chromiumExecutable } from '../src/cli/chromium.mjs';

const PORT = Number(process.env.STUDIO_PORT ?? 4317);
const address = `http://localhost:${PORT}/`;

export default defineConfig({
  testDir: 'journeys',
  testMatch: '**/*.journey.ts',
  outputDir: '../test-results',
  workers: 1,
  fullyParallel: false,
  retries: 0,
  forbidOnly: Boolean(process.env.CI),
  // A software GPU takes minutes for what a card does in seconds.
  timeout: 6 * 60_000,
  expect: { timeout: 30_000 },
  reporter: [['list']],
  use: {
    baseURL: address,
    launchOptions: { executablePath: chromiumExecutable(), args: CHROMIUM_FLAGS },
    viewport: { width: 1280, height: 900 },
    actionTimeout: 30_000,
    trace: 'off',
    video: 'off',
    screenshot: 'only-on-failure',
  },
  webServer: {
    command: `node node_modules/vite/bin/vite.js preview --port ${PORT} --strictPort`,
    cwd: '..',
    url: address,
    reuseExistingServer: true,
    timeout: 60_000,
  },
});
