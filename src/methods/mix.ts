// SLM-mix: one of the hard mixture's experts, each an independent small model pretrained on one cluster of the generic text, fine-tuned.
import { explainBestPretrained, explainMostFrequent, explainOverride, lowestLoss, mostFrequentCluster } from '../clusters/strategy.ts';
import type { ChoiceOf } from '../config/method.ts';
import type { RunExpert } from '../config/runRecord.ts';
import { evaluationFlopsPerToken } from '../config/trainingFlops.ts';
import { UserError } from '../core/invariant.ts';
import { SmallModel } from '../model/smallModel.ts';
import { readArena } from '../model/weightsFile.ts';
import { ComparedText } from './comparedText.ts';
import type { MethodContext, MethodPhases } from './method.ts';

export async function* mix(context: MethodContext, choice: ChoiceOf<'SLM-mix'>): MethodPhases {
  const { pack, settings } = context;
  const histogram = await context.histogram();
  const expert = recalledExpert(context) ?? (await choose(context, choice, histogram));
  context.note({ expert, histogram });
  return yield { name: 'fineTuning', model: pack.model, weights: await expertWeights(context, expert.cluster), windows: context.domainWindows(), settings, judged: true };
}

type MixtureExpert = RunExpert & { readonly cluster: number };

function recalledExpert({ recalled }: MethodContext): MixtureExpert | undefined {
  const { expert } = recalled;
  return expert?.cluster === undefined ? undefined : { ...expert, cluster: expert.cluster };
}

async function choose(context: MethodContext, { strategy, cluster }: ChoiceOf<'SLM-mix'>, histogram: readonly number[]): Promise<MixtureExpert> {
  const { clusters } = context.pack;
  if (cluster !== undefined) {
    if (!(cluster < clusters.length)) throw new UserError(`There is no cluster ${cluster}; this pack has clusters 0 to ${clusters.length - 1}.`);
    return { strategy, cluster, overridden: true, explanation: explainOverride(clusters, histogram, cluster) };
  }
  if (strategy === 'mostFrequent') return { strategy, cluster: mostFrequentCluster(histogram), overridden: false, explanation: explainMostFrequent(clusters, histogram) };
  const losses = await expertLosses(context);
  return { strategy, cluster: lowestLoss(losses), overridden: false, explanation: explainBestPretrained(clusters, histogram, losses), losses };
}

/** Loss of every expert on the same part of the training text, nats per token. Fetches all of them. */
async function expertLosses(context: MethodContext): Promise<number[]> {
  const { gpu, pack, settings, signal } = context;
  const started = performance.now();
  const model = await SmallModel.create(gpu, pack.model, settings, { train: false });
  try {
    const text = new ComparedText(context.domainWindows(), model.shape);
    const losses: number[] = [];
    for (let expert = 0; expert < pack.clusters.length; expert++) {
      context.progress('Comparing the experts', expert, pack.clusters.length);
      await model.loadWeights(await expertWeights(context, expert));
      losses.push(await text.meanLoss(model, signal));
    }
    const flops = losses.length * text.numTokens * evaluationFlopsPerToken(pack.model, settings.seqLen);
    context.spend({ tokens: 0, flops, seconds: (performance.now() - started) / 1000 });
    return losses;
  } finally {
    model.destroy();
  }
}

const expertWeights = async ({ pack, table, signal }: MethodContext, expert: number): Promise<Float32Array> => readArena(await pack.readMixtureExpert(expert, { signal }), table);
