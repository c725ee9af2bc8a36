// The sample text served beside the page.

export const BUNDLED_SAMPLE = { path: 'tide-mill.jsonl', address: 'samples/tide-mill.jsonl' } as const;

export const bundledSampleUrl = (): string => new URL(BUNDLED_SAMPLE.address, document.baseURI).href;
