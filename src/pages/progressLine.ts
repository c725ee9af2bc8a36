// Engine events as the lines a terminal shows while it waits. Frequent events are thinned by time, so that a long run stays readable.
import { formatBytes, formatCount, formatPercent, formatPerplexity } from '../core/format.ts';
import type { EngineEvent } from '../protocol/events.ts';
import { createRunProgressLines } from './runProgressLines.ts';

/** Least time between two lines of the same kind of event, in milliseconds. */
const INTERVAL = 2000;

const share = (done: number, total: number): string => formatPercent(total > 0 ? done / total : 1);

function lineOf(event: EngineEvent): string | undefined {
  switch (event.type) {
    case 'device.ready': return `${event.adapter.engine === 'wasm' ? 'engine' : 'GPU'}: ${event.adapter.name}`;
    case 'pack.progress': return `pack: ${event.file} ${formatBytes(event.bytesLoaded)} of ${formatBytes(event.bytesTotal)} (${share(event.bytesLoaded, event.bytesTotal)})`;
    case 'pack.loaded': return `pack: ${event.pack.name}, ${formatCount(event.pack.parametersBefore)} parameters projecting to ${formatCount(event.pack.parametersAfter)}`;
    case 'data.progress': return `data: ${event.stage} ${event.path} ${formatBytes(event.bytesRead)} of ${formatBytes(event.bytesTotal)}, ${formatCount(event.documents)} documents`;
    case 'data.loaded': {
      const { documents, tokens, splits, exactDuplicates, nearDuplicates } = event.data;
      return `data: ${formatCount(documents)} documents, ${formatCount(tokens)} tokens (${formatCount(splits.train.tokens)} train, ${formatCount(splits.validation.tokens)} validation, ${formatCount(splits.test.tokens)} test), ${formatCount(exactDuplicates + nearDuplicates)} duplicates dropped`;
    }
    case 'expert.progress': return `expert: ${event.stage} ${event.done} of ${event.total}`;
    case 'expert.chosen': return `expert: ${event.explanation}`;
    case 'model.projected': return `projected: validation perplexity ${formatPerplexity(event.projected.perplexity)} (plain small model ${formatPerplexity(event.slm.perplexity)})`;
    case 'train.stepped': return `step ${event.step}: training perplexity ${formatPerplexity(Math.exp(event.loss))}, ${formatCount(event.tokensPerSecond)} tokens/s`;
    case 'train.evaluated': return `step ${event.step}: validation perplexity ${formatPerplexity(event.validation.perplexity)}${event.best ? ' (best so far)' : ''}`;
    case 'train.finished': return `training ended at step ${event.step} (${{ steps: 'all steps done', earlyStopping: 'early stopping', stopped: 'stopped' }[event.reason]}); the best weights are of step ${event.bestStep}`;
    case 'test.progress': return `test: ${event.model} ${share(event.tokensDone, event.tokensTotal)}`;
    default: return undefined;
  }
}

const THINNED: ReadonlySet<EngineEvent['type']> = new Set(['pack.progress', 'data.progress', 'expert.progress', 'train.stepped', 'test.progress']);

/** Returns a function from event to the line to print, or undefined when this event is not shown. `now` is in milliseconds. */
export function createProgressLines(now: () => number): (event: EngineEvent) => string | undefined {
  const lastShown = new Map<EngineEvent['type'], number>();
  const runLine = createRunProgressLines(now);
  return (event) => {
    if (THINNED.has(event.type)) {
      if (now() - (lastShown.get(event.type) ?? -Infinity) < INTERVAL) return undefined;
      lastShown.set(event.type, now());
    }
    return lineOf(event) ?? runLine(event);
  };
}
