import { expect, it } from 'vitest';
import type { EngineEvent } from '../protocol/events.ts';
import { createProgressLines } from './progressLine.ts';

const progress = (bytesLoaded: number): EngineEvent => ({ type: 'pack.progress', file: 'pn.safetensors', bytesLoaded, bytesTotal: 2048, fromCache: false });

it('thins frequent events by time and shows the others always', () => {
  let now = 0;
  const line = createProgressLines(() => now);
  expect(line(progress(1024))).toBe('pack: pn.safetensors 1.0 KB of 2.0 KB (50.0%)');
  now = 1999;
  expect(line(progress(1100))).toBeUndefined();
  now = 2000;
  expect(line(progress(2048))).toBe('pack: pn.safetensors 2.0 KB of 2.0 KB (100.0%)');
  const evaluated: EngineEvent = {
    type: 'train.evaluated', runId: 'r', step: 10, tokens: 1, seconds: 1, validation: { loss: 1, perplexity: 42.123, bitsPerByte: 1, tokens: 1 }, best: true,
  };
  expect([line(evaluated), line(evaluated)]).toEqual(Array(2).fill('step 10: validation perplexity 42.12 (best so far)'));
  expect(line({ type: 'data.cancelled' })).toBeUndefined();
});
