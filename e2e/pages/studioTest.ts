// Playwright's `test` with the studio in it. A page error (an exception nobody caught) fails every journey.
import { test as base } from '@playwright/test';
import { StudioPage } from './StudioPage.ts';

export const test = base.extend<{ studio: StudioPage }>({
  studio: async ({ page }, use) => {
    const uncaught: Error[] = [];
    page.on('pageerror', (error) => uncaught.push(error));
    await use(await StudioPage.create(page));
    if (uncaught.length > 0) throw new Error(`The page threw: ${uncaught.map((error) => error.message).join('; ')}`);
  },
});

/** A figure worth reading even when the journey passes: printed, and kept with the test's result. */
export function reportMeasured(description: string): void {
  test.info().annotations.push({ type: 'measured', description });
  console.log(`    measured: ${description}`);
}

export { expect } from '@playwright/test';
