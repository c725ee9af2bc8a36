// SLM-pn: one expert of the projected network, projected to a small model and fine-tuned.
import type { ChoiceOf } from '../config/method.ts';
import { DEFAULT_FITTED_STEPS } from '../config/runConfig.ts';
import { choiceCost } from './choiceCost.ts';
import { chooseExpert, type ChosenExpert } from './expertChoice.ts';
import { searchExperts, type ChosenVector } from './expertSearch.ts';
import type { MethodContext, MethodPhases } from './method.ts';
import { domainEvidence, projectedWeights, withProjector } from './projectedExpert.ts';

export async function* pn(context: MethodContext, choice: ChoiceOf<'SLM-pn'>): MethodPhases {
  const { pack, settings } = context;
  const histogram = await context.histogram();
  let chosen = recalledVector(context);
  if (!chosen && choice.strategy === 'bestFineTuned' && choice.cluster === undefined) {
    const found = yield* searchExperts(context, histogram, choice.halving ?? false);
    chosen = found.chosen;
    context.note({ ...chosen, histogram });
    if (found.outcome) return found.outcome;
  }
  chosen ??= await chooseVector(context, choice, histogram);
  context.note({ ...chosen, histogram });
  return yield { name: 'fineTuning', model: pack.model, weights: await projectedWeights(context, chosen.vector), windows: context.domainWindows(), settings, judged: true };
}

function recalledVector({ recalled: { expert, vector } }: MethodContext): ChosenVector | undefined {
  return expert && vector ? { expert, vector } : undefined;
}

async function chooseVector(context: MethodContext, { strategy, cluster, fittedSteps = DEFAULT_FITTED_STEPS }: ChoiceOf<'SLM-pn'>, histogram: readonly number[]): Promise<ChosenVector> {
  const { gpu, pack, table, settings, signal } = context;
  const started = performance.now();
  // With a cluster of the user's own the strategy is not asked.
  const asked = strategy === 'bestFineTuned' ? 'mostFrequent' : strategy;
  return withProjector(gpu, pack, table, settings, { train: asked === 'fitted' && cluster === undefined, recompute: settings.recomputeActivations }, async ({ model, projector }) => {
    const evidence = domainEvidence(pack, context.domainWindows(), histogram, model);
    const expert = await chooseExpert({ strategy: asked, cluster, fittedSteps, microBatches: settings.gradientAccumulation }, evidence, projector, model, { signal, onProgress: context.progress });
    const cost = choiceCost(pack, expert, { seqLen: settings.seqLen, comparedTokens: evidence.compared.numTokens, tokensPerFittingStep: model.rows * settings.gradientAccumulation });
    context.spend({ ...cost, seconds: (performance.now() - started) / 1000 });
    return noted(strategy, expert);
  });
}

function noted(strategy: ChoiceOf<'SLM-pn'>['strategy'], { cluster, overridden, explanation, losses, vector }: ChosenExpert): ChosenVector {
  return { expert: { strategy, cluster, overridden, explanation, losses }, vector: Array.from(vector) };
}
