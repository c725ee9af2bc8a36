// The result in sentences, derived from the test figures and nothing else. Pure.
import { formatPercent, formatPerplexity } from '../../core/format.ts';
import type { TestedModel, TestFigure } from '../../protocol/events.ts';

export interface Headline {
  /** Change of perplexity from the projected start to the fine-tuned model: -0.42 is a fall by 42%. */
  readonly change: number;
  readonly sentences: readonly string[];
}

const overlap = (a: TestFigure, b: TestFigure): boolean => a.interval[0] <= b.interval[1] && b.interval[0] <= a.interval[1];

function comparison(tuned: TestFigure, other: TestFigure, otherName: string): string {
  const change = tuned.perplexity / other.perplexity - 1;
  const direction = change < 0 ? 'lower than' : 'higher than';
  const intervals = overlap(tuned, other)
    ? 'the 95% intervals overlap, so these documents alone do not settle which is better'
    : 'the 95% intervals do not overlap, so the difference is larger than chance between documents would explain';
  if (change === 0) return `It equals ${otherName} (${formatPerplexity(other.perplexity)}).`;
  return `That is ${formatPercent(Math.abs(change))} ${direction} ${otherName} (${formatPerplexity(other.perplexity)}); ${intervals}.`;
}

/** Undefined until all three models were measured. */
export function headline(figures: readonly TestFigure[]): Headline | undefined {
  const find = (model: TestedModel): TestFigure | undefined => figures.find((figure) => figure.model === model);
  const slm = find('slm');
  const projected = find('projected');
  const tuned = find('fineTuned');
  if (!slm || !projected || !tuned) return undefined;
  const documents = tuned.documents === 1 ? 'one held-out document' : `${tuned.documents} held-out documents`;
  return {
    change: tuned.perplexity / projected.perplexity - 1,
    sentences: [
      `On ${documents}, kept out of training, your fine-tuned model has a perplexity of ${formatPerplexity(tuned.perplexity)}.`,
      comparison(tuned, projected, 'the projected model before fine-tuning'),
      comparison(tuned, slm, 'the plain small model'),
    ],
  };
}
