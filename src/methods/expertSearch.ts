// SLM-pn's `best fine-tuned`: the expert that does best after fine-tuning, not before. As in the paper all k are fine-tuned and the best is kept, for k times the
// cost; or successive halving (Karnin et al. 2013; Jamieson and Talwalkar, arXiv 1502.07943): all train a little, the worse half is dropped, the rest train
// on, until one is left, which is then fine-tuned from its projection like any other.
import type { RunExpert } from '../config/runRecord.ts';
import { formatPerplexity } from '../core/format.ts';
import type { MethodContext, PhaseOutcome, PhaseRequest } from './method.ts';
import { lowestLoss } from '../clusters/strategy.ts';
import { projectedWeights } from './projectedExpert.ts';

/** Steps of a candidate in a round of halving at least: below that a loss says more about the warm-up than about the expert. */
const MIN_ROUND_STEPS = 8;

/** As a run's notes have it. */
export interface ChosenVector {
  readonly expert: RunExpert;
  /** The vector to project [m]. */
  readonly vector: readonly number[];
}

interface SearchResult {
  readonly chosen: ChosenVector;
  /** Of the full fine-tuning of the expert chosen, where every candidate had one. */
  readonly outcome?: PhaseOutcome;
}

type Search = AsyncGenerator<PhaseRequest, SearchResult, PhaseOutcome>;

export function searchExperts(context: MethodContext, histogram: readonly number[], halving: boolean): Search {
  return halving ? halve(context, histogram) : fineTuneAll(context, histogram);
}

async function* fineTuneAll(context: MethodContext, histogram: readonly number[]): Search {
  const { pack, settings } = context;
  const losses: number[] = [];
  let best: PhaseOutcome | undefined;
  for (let expert = 0; expert < pack.clusters.length; expert++) {
    context.progress('Fine-tuning every expert', expert, pack.clusters.length);
    const outcome = yield { name: 'candidate', model: pack.model, weights: await candidateWeights(context, expert), windows: context.domainWindows(), settings, judged: true };
    losses.push(outcome.validationLoss);
    if (lowestLoss(losses) === expert) best = outcome;
  }
  const chosen = lowestLoss(losses);
  return { chosen: await describe(context, histogram, chosen, losses, `Of all ${losses.length} experts, each fine-tuned in full,`), outcome: best };
}

async function* halve(context: MethodContext, histogram: readonly number[]): Search {
  const { pack, settings } = context;
  const k = pack.clusters.length;
  const losses = new Array<number>(k).fill(Infinity);
  const rounds = Math.ceil(Math.log2(k));
  let candidates: { expert: number; weights: Float32Array }[] = [];
  for (let expert = 0; expert < k; expert++) candidates.push({ expert, weights: await candidateWeights(context, expert) });
  for (let round = 0; candidates.length > 1; round++) {
    const steps = Math.max(MIN_ROUND_STEPS, Math.floor(settings.steps / rounds / candidates.length));
    const warmupSteps = round === 0 ? Math.min(settings.warmupSteps, steps >> 1) : 0;
    const trained: typeof candidates = [];
    for (const [index, { expert, weights }] of candidates.entries()) {
      context.progress(`Halving ${candidates.length} experts`, index, candidates.length);
      const outcome = yield { name: 'candidate', model: pack.model, weights, windows: context.domainWindows(), settings: { ...settings, steps, warmupSteps, schedule: 'constant', evaluateEvery: steps }, judged: false };
      losses[expert] = outcome.validationLoss;
      trained.push({ expert, weights: outcome.weights });
    }
    // NaN goes last, as a loss that is not a number is not a good one.
    const rank = ({ expert }: { expert: number }): number => (Number.isNaN(losses[expert]) ? Infinity : losses[expert]);
    candidates = trained.sort((a, b) => rank(a) - rank(b)).slice(0, Math.ceil(trained.length / 2));
  }
  return { chosen: await describe(context, histogram, candidates[0].expert, losses, `Successive halving over all ${k} experts in ${rounds} rounds:`) };
}

async function candidateWeights(context: MethodContext, expert: number): Promise<Float32Array> {
  return projectedWeights(context, await expertVectorOf(context, expert));
}

async function expertVectorOf({ pack }: MethodContext, expert: number): Promise<number[]> {
  const { m } = pack.projectedNetwork;
  return Array.from((await pack.pn.readFloats('projected_network.E')).subarray(expert * m, (expert + 1) * m));
}

async function describe(context: MethodContext, histogram: readonly number[], cluster: number, losses: readonly number[], how: string): Promise<ChosenVector> {
  const { label } = context.pack.clusters[cluster];
  const explanation = `${how} expert ${cluster} (${label}) reached the lowest validation perplexity, ${formatPerplexity(Math.exp(losses[cluster]))}; its cluster holds ${Math.round(histogram[cluster] * 100)}% of your text's windows.`;
  return { expert: { strategy: 'bestFineTuned', cluster, overridden: false, explanation, losses }, vector: await expertVectorOf(context, cluster) };
}
