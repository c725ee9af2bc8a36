// The paper's table for the user's own text: every method before and after fine-tuning, what it cost and what it leaves to deploy, computed from the stored
// runs alone. And one plain sentence of what to take from it, only where the test documents support it.
import { METHOD_NAMES, METHODS, type MethodName } from '../config/method.ts';
import type { RunRecord, RunTestFigure } from '../config/runRecord.ts';
import { formatPercent } from '../core/format.ts';
import { perplexityRatioInterval, type DocumentLoss } from './bootstrap.ts';

export interface MethodRow {
  readonly runId: string;
  readonly name: string;
  readonly method: MethodName;
  readonly before?: RunTestFigure;
  readonly after: RunTestFigure;
  /** Perplexity against the baseline's, after fine-tuning: 0.95 is 5% lower. Absent for the baseline itself and without one. */
  readonly ratio?: number;
  /** 95% interval of the ratio over test documents. */
  readonly ratioInterval?: readonly [number, number];
  readonly tokens: number;
  readonly flops: number;
  readonly seconds: number;
  /** Of the model that is left: its size, and tokens per second of generation on the run's adapter. */
  readonly parameters?: number;
  readonly tokensPerSecond?: number;
}

export interface MethodTable {
  readonly rows: readonly MethodRow[];
  /** The run that the ratios are against: the first SLM. */
  readonly baseline?: string;
  readonly conclusion: string;
}

const RATIO_SEED = 1;
const CONFIDENCE = 0.95;
const BASELINE: MethodName = 'SLM';
/** Over the size that is to be deployed: a reference, never a recommendation. */
const REFERENCE: MethodName = 'LLM';

/** Rows in the paper's order of methods; runs without a test figure are left out. All runs must be of the same text. */
export function methodTable(runs: readonly RunRecord[]): MethodTable {
  const tested = runs.filter((run): run is RunRecord & { test: NonNullable<RunRecord['test']> } => run.test !== undefined);
  const ordered = [...tested].sort((a, b) => METHOD_NAMES.indexOf(a.method.method) - METHOD_NAMES.indexOf(b.method.method));
  const baseline = ordered.find(({ method }) => method.method === BASELINE);
  const rows = ordered.map((run): MethodRow => {
    const { runId, name, method, test, cost, deployed } = run;
    const compared = baseline && run !== baseline && sameDocuments(test.after, baseline.test.after);
    return {
      runId, name, method: method.method, before: test.before, after: test.after,
      ...(compared ? { ratio: test.after.perplexity / baseline.test.after.perplexity, ratioInterval: ratioInterval(test.after, baseline.test.after, CONFIDENCE) } : {}),
      tokens: cost.tokens, flops: cost.flops, seconds: cost.seconds, parameters: deployed?.parameters, tokensPerSecond: deployed?.tokensPerSecond,
    };
  });
  return { rows, baseline: baseline?.runId, conclusion: conclusion(rows) };
}

/**
 * What to take from it. The best model of deployable size is named only if it beats every other one on the test documents with 95% confidence after Bonferroni's
 * correction for the number of comparisons: with many methods, one of them would else look better by chance.
 */
function conclusion(rows: readonly MethodRow[]): string {
  const deployable = rows.filter(({ method }) => method !== REFERENCE);
  if (deployable.length < 2) return deployable.length === 0 ? 'No run has test figures yet.' : 'One method alone says nothing about the others: run a second one.';
  const [best, ...others] = [...deployable].sort((a, b) => a.after.perplexity - b.after.perplexity);
  if (!others.every(({ after }) => sameDocuments(best.after, after))) return 'These runs were tested on different documents, so their figures cannot be compared.';
  if (best.after.documents < 2) return 'One test document is too few to tell the methods apart: a difference may be that document\'s own.';
  const confidence = 1 - (1 - CONFIDENCE) / others.length;
  const intervals = others.map((other) => ({ other, interval: ratioInterval(best.after, other.after, confidence) }));
  const undecided = intervals.filter(({ interval }) => !(interval[1] < 1)).map(({ other }) => other);
  const next = intervals[0];
  if (undecided.length === 0) {
    return `On your test documents ${labelOf(best)} is the best start at this size: its perplexity is ${lowerBy(best.after.perplexity / next.other.after.perplexity)} lower than ${labelOf(next.other)}'s, the next best (at least ${lowerBy(next.interval[1])}, corrected for ${others.length} ${others.length === 1 ? 'comparison' : 'comparisons'}).`;
  }
  const worse = intervals.filter(({ interval }) => interval[1] < 1).map(({ other }) => other);
  const tied = [best, ...undecided].map(labelOf);
  const behind = worse.length > 0 ? ` ${joinWords(worse.map(labelOf))} ${worse.length === 1 ? 'is' : 'are'} behind.` : '';
  return `Your ${best.after.documents} test documents do not tell ${joinWords(tied)} apart: take the cheapest of them, or hold out more text.${behind}`;
}

const labelOf = ({ name, method }: MethodRow): string => (name.startsWith(method) ? name : name === METHODS[method].label ? method : `${name} (${method})`);
const lowerBy = (ratio: number): string => formatPercent(1 - ratio);
const joinWords = (words: readonly string[]): string => (words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`);

const documentsOf = ({ documentNats, documentTokens }: RunTestFigure): DocumentLoss[] => documentNats.map((nats, index) => ({ nats, tokens: documentTokens[index] }));

const sameDocuments = (a: RunTestFigure, b: RunTestFigure): boolean =>
  a.documentTokens.length === b.documentTokens.length && a.documentTokens.every((tokens, index) => tokens === b.documentTokens[index]);

const ratioInterval = (a: RunTestFigure, b: RunTestFigure, confidence: number): readonly [number, number] => perplexityRatioInterval(documentsOf(a), documentsOf(b), confidence, RATIO_SEED);
