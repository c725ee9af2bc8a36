// The page bench.html: hands the training step to outside harnesses as window.__bench.
import { trainStep } from './benchHarness.ts';

declare global {
  interface Window {
    __bench: { trainStep: typeof trainStep };
  }
}

window.__bench = { trainStep };
