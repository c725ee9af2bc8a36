// How much data is enough? Runs of one method on nested parts of the user's text, and what more text would bring if it went on so. The law is a straight line of
// loss over the logarithm of the tokens, that is, perplexity as a power of the amount of text: it has two parameters, all that three to five points can carry, and
// it is what the paper's fine-tuned models follow over 1M, 8M and 64M tokens (18.2, 14.8, 12.0: each factor of eight takes 0.21 nats).
import type { RunRecord, RunTestFigure } from '../config/runRecord.ts';
import { formatChange, formatCount, formatPerplexity, formatPerplexityInterval } from '../core/format.ts';
import { percentiles, resampled } from './bootstrap.ts';

export interface ScalingPoint {
  readonly runId: string;
  /** Of the training text. */
  readonly share: number;
  readonly tokens: number;
  readonly perplexity: number;
  /** 95% bootstrap interval over test documents. */
  readonly interval: readonly [number, number];
}

/** Where the line would be at amounts of text that nobody has trained on. */
export interface Extrapolation {
  readonly tokens: number;
  readonly perplexity: number;
  /** 95% interval over test documents; what another training run would change is not in it. */
  readonly interval: readonly [number, number];
}

export interface DataScaling {
  /** Ascending tokens. */
  readonly points: readonly ScalingPoint[];
  /** From the largest amount trained on, whose place on the line comes first, to the farthest; empty where the points support none. */
  readonly extrapolated: readonly Extrapolation[];
  readonly conclusion: string;
}

type ScalingRun = RunRecord & { readonly trainingPart: NonNullable<RunRecord['trainingPart']>; readonly test: NonNullable<RunRecord['test']> };

const CONFIDENCE = 0.95;
const SEED = 1;
const RESAMPLES = 1000;
const MIN_POINTS = 3;
/** Times the largest amount trained on: no farther than the points reach to the other side. */
const EXTRAPOLATED_TO = [1, 2, 4];
/** Points that stray from the line by more than this share of what the line falls by are no line. */
const MAX_STRAY = 0.25;

/** The runs of the newest study: same method, settings, text and pack, each part once (the newest). @returns ascending parts; empty where there is none */
export function newestStudy(runs: readonly RunRecord[]): RunRecord[] {
  const newestFirst = runs.filter(({ trainingPart }) => trainingPart !== undefined).sort((a, b) => b.createdAt.localeCompare(a.createdAt));
  const [newest] = newestFirst;
  if (!newest) return [];
  const kindOf = ({ method, settings, budget, dataFingerprint, packHash }: RunRecord): string => JSON.stringify([method, settings, budget, dataFingerprint, packHash]);
  const byShare = new Map<number, RunRecord>();
  for (const run of newestFirst) if (kindOf(run) === kindOf(newest) && !byShare.has(run.trainingPart!.share)) byShare.set(run.trainingPart!.share, run);
  return [...byShare.values()].sort((a, b) => a.trainingPart!.tokens - b.trainingPart!.tokens);
}

/** @param study runs on parts of one text (newestStudy); those without a test figure are left out */
export function dataScaling(study: readonly RunRecord[]): DataScaling {
  const runs = study.filter((run): run is ScalingRun => run.trainingPart !== undefined && run.test !== undefined);
  const points = runs.map(({ runId, trainingPart: { share, tokens }, test: { after } }): ScalingPoint => ({ runId, share, tokens, perplexity: after.perplexity, interval: after.interval }));
  if (points.length < MIN_POINTS) return { points, extrapolated: [], conclusion: `${formatCount(MIN_POINTS)} amounts of text are needed to say what more of it would bring.` };
  const figures = runs.map(({ test }) => test.after);
  const logTokens = points.map(({ tokens }) => Math.log2(tokens));
  const whole = fitLine(logTokens, figures.map(({ loss }) => loss));
  const lines = resampled(figures[0].documents, SEED, RESAMPLES, (chosen) => fitLine(logTokens, figures.map((figure) => lossOf(figure, chosen))));
  const perDoubling = percentiles(lines.map(({ slope }) => slope), CONFIDENCE);
  const refusal = reasonAgainst(points, whole, perDoubling);
  if (refusal) return { points, extrapolated: [], conclusion: refusal };
  const largest = points[points.length - 1].tokens;
  const extrapolated = EXTRAPOLATED_TO.map((times): Extrapolation => {
    const at = (line: Line): number => Math.exp(line.intercept + line.slope * Math.log2(times * largest));
    return { tokens: times * largest, perplexity: at(whole), interval: percentiles(lines.map(at), CONFIDENCE) };
  });
  return { points, extrapolated, conclusion: conclusionOf(whole, perDoubling, extrapolated[1]) };
}

function reasonAgainst(points: readonly ScalingPoint[], line: Line, [, highestSlope]: readonly [number, number]): string | undefined {
  if (!(highestSlope < 0)) {
    const [first, last] = [points[0], points[points.length - 1]];
    return `Your test documents do not show that more text of this kind helps: from ${formatCount(first.tokens)} to ${formatCount(last.tokens)} tokens perplexity went from ${formatPerplexity(first.perplexity)} to ${formatPerplexity(last.perplexity)}. Nothing is extrapolated.`;
  }
  const fall = -line.slope * (Math.log2(points[points.length - 1].tokens) - Math.log2(points[0].tokens));
  const stray = Math.max(...points.map(({ tokens, perplexity }) => Math.abs(Math.log(perplexity) - line.intercept - line.slope * Math.log2(tokens))));
  if (stray <= MAX_STRAY * fall) return undefined;
  return 'Perplexity falls with more text, but not evenly enough to say how it goes on, so nothing is extrapolated. More amounts of text, or another seed, may show it.';
}

function conclusionOf({ slope }: Line, [steepest, flattest]: readonly [number, number], doubled: Extrapolation): string {
  const change = (perDoubling: number): string => formatChange(Math.exp(perDoubling));
  return `Each doubling of the text changed test perplexity by ${change(slope)} (${change(steepest)} to ${change(flattest)}). If it goes on so, twice your text would bring it to ${formatPerplexityInterval(doubled)}: an extrapolation, not a measurement.`;
}

interface Line {
  /** Nats per doubling of the tokens. */
  readonly slope: number;
  readonly intercept: number;
}

/** Least squares. */
function fitLine(x: readonly number[], y: readonly number[]): Line {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  const slope = mean(x.map((value, i) => (value - meanX) * (y[i] - meanY))) / mean(x.map((value) => (value - meanX) ** 2));
  return { slope, intercept: meanY - slope * meanX };
}

/** Mean nats per token over the chosen documents. */
function lossOf({ documentNats, documentTokens }: RunTestFigure, chosen: Uint32Array): number {
  let nats = 0;
  let tokens = 0;
  for (const document of chosen) {
    nats += documentNats[document];
    tokens += documentTokens[document];
  }
  return nats / tokens;
}
