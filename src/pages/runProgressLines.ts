// Events of runs that go on side by side as the lines a terminal shows: where each is from time to time, and always how it ended.
import { usedShare } from '../config/runBudget.ts';
import type { RunRecord } from '../config/runRecord.ts';
import { formatCount, formatPercent, formatPerplexity, formatSeconds } from '../core/format.ts';
import type { EngineEvent, EventOf } from '../protocol/events.ts';

/** Least time between two lines of one run that goes on, in milliseconds: seven of them still leave a terminal readable. */
const INTERVAL = 10_000;

/** Returns a function from event to the line to print, or undefined when this event is not shown. `now` is in milliseconds. */
export function createRunProgressLines(now: () => number): (event: EngineEvent) => string | undefined {
  const runs = new Map<string, RunRecord>();
  const lastShown = new Map<string, number>();
  const isDue = (runId: string): boolean => {
    if (now() - (lastShown.get(runId) ?? -Infinity) < INTERVAL) return false;
    lastShown.set(runId, now());
    return true;
  };
  return (event) => {
    switch (event.type) {
      case 'run.changed': {
        const { run } = event;
        const former = runs.get(run.runId)?.state;
        runs.set(run.runId, run);
        return former === run.state ? undefined : endingOf(run);
      }
      case 'run.progress':
        return isDue(event.runId) ? `${runs.get(event.runId)?.name}: ${event.stage} ${event.done} of ${event.total}` : undefined;
      case 'run.stepped': {
        const run = runs.get(event.runId);
        return run && isDue(event.runId) ? stepOf(event, run) : undefined;
      }
      case 'runs.failed':
        return event.runId === undefined ? undefined : `${runs.get(event.runId)?.name}: ${event.message}`;
      default:
        return undefined;
    }
  };
}

function stepOf({ step, loss, cost, tokensPerSecond }: EventOf<'run.stepped'>, { name, budget, curve }: RunRecord): string {
  const used = budget ? ` (${formatPercent(usedShare(budget, cost))} of its budget)` : '';
  const validated = curve.findLast(({ validationLoss }) => validationLoss !== undefined)?.validationLoss;
  const validation = validated === undefined ? '' : `, validation perplexity ${formatPerplexity(Math.exp(validated))}`;
  return `${name}: step ${step}${used}, training perplexity ${formatPerplexity(Math.exp(loss))}${validation}, ${formatCount(tokensPerSecond)} tokens/s`;
}

function endingOf({ name, state, test, cost, error }: RunRecord): string | undefined {
  if (state === 'failed') return `${name} failed: ${error ?? 'it did not say why'}`;
  if (state !== 'finished' || !test) return undefined;
  const before = test.before ? `${formatPerplexity(test.before.perplexity)} before and ` : '';
  return `${name}: finished after ${formatSeconds(cost.seconds)}, test perplexity ${before}${formatPerplexity(test.after.perplexity)} after fine-tuning`;
}
