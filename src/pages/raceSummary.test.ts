import { expect, it } from 'vitest';
import type { RunRecord } from '../config/runRecord.ts';
import type { AdapterSummary } from '../protocol/events.ts';
import { DATA } from './playedEngine.fixture.ts';
import { raceReport } from './raceReport.ts';
import { raceSummary } from './raceSummary.ts';
import { finishedRun, runningRun } from './runRecord.fixture.ts';

const summaryOf = (runs: readonly RunRecord[], unsaved = new Map<string, string>()): string[] =>
  raceSummary(raceReport({ adapter: { name: 'test adapter' } as AdapterSummary, data: DATA, runs, skipped: [], unsaved, seconds: 1 }));

it('is the table in columns, warnings, failures and the conclusion', () => {
  const lines = summaryOf([
    finishedRun('SLM-pn', 50), finishedRun('SLM', 60), finishedRun('SLM-is', 70, { notes: { warning: 'Half of the windows repeat.' } }), runningRun('LLM', { state: 'failed', error: 'The loss is not finite.' }),
  ], new Map([['id-SLM', 'No room.']]));
  expect(lines[0]).toBe('Perplexity on the test documents before and after fine-tuning, and what it cost:');
  expect(lines.slice(1, 5)).toEqual([
    'Method  Before  After (95% interval)    Against SLM                Tokens  TFLOP  Time',
    'SLM     120.0   60.00 (48.00 to 75.00)  –                          51,200  0.500  1 min 5 s',
    'SLM-pn  100.0   50.00 (40.00 to 62.50)  −16.7% (−16.7% to −16.7%)  51,200  0.500  1 min 5 s',
    'SLM-is  140.0   70.00 (56.00 to 87.50)  +16.7% (+16.7% to +16.7%)  51,200  0.500  1 min 5 s',
  ]);
  expect(lines.slice(5, 8)).toEqual(['SLM-is: Half of the windows repeat.', 'LLM failed: The loss is not finite.', 'SLM was not saved: No room.']);
  expect(lines[8]).toMatch(/^On your test documents SLM-pn is the best start/);
  expect(lines).toHaveLength(9);
});

it('has no table where no run came to its test', () => {
  expect(summaryOf([runningRun('SLM', { state: 'failed', error: 'Out of memory.' })])).toEqual(['SLM failed: Out of memory.', 'No run has test figures yet.']);
});
