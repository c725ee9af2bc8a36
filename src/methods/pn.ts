// SLM-pn: one expert of the projected network, projected to a small model and fine-tuned.
import type { ChoiceOf } from '../config/method.ts';
import { DEFAULT_FITTED_STEPS } from '../config/runConfig.ts';
import { evaluationFlopsPerToken, projectionFlops, trainingFlopsPerToken } from '../config/trainingFlops.ts';
import { chooseExpert, type ChosenExpert } from './expertChoice.ts';
import { searchExperts } from './expertSearch.ts';
import type { MethodContext, MethodPhases, RememberedExpert } from './method.ts';
import { domainEvidence, projectedWeights, withProjector } from './projectedExpert.ts';

export async function* pn(context: MethodContext, choice: ChoiceOf<'SLM-pn'>): MethodPhases {
  const { pack, settings } = context;
  const histogram = await context.histogram();
  let chosen = context.recalled;
  if (!chosen?.vector && choice.strategy === 'bestFineTuned' && choice.cluster === undefined) {
    const found = yield* searchExperts(context, histogram, choice.halving ?? false);
    chosen = found.chosen;
    note(context, chosen, histogram);
    if (found.outcome) return found.outcome;
  }
  chosen ??= await chooseVector(context, choice, histogram);
  note(context, chosen, histogram);
  return yield { name: 'fineTuning', model: pack.model, weights: await projectedWeights(context, chosen.vector ?? []), windows: context.domainWindows(), settings, judged: true };
}

function note(context: MethodContext, chosen: RememberedExpert, histogram: readonly number[]): void {
  context.remember(chosen);
  context.note({ expert: chosen.expert, vector: chosen.vector, histogram });
}

async function chooseVector(context: MethodContext, { strategy, cluster, fittedSteps = DEFAULT_FITTED_STEPS }: ChoiceOf<'SLM-pn'>, histogram: readonly number[]): Promise<RememberedExpert> {
  const { gpu, pack, table, settings, signal } = context;
  const started = performance.now();
  // With a cluster of the user's own the strategy is not asked.
  const asked = strategy === 'bestFineTuned' ? 'mostFrequent' : strategy;
  return withProjector(gpu, pack, table, settings, { train: asked === 'fitted' && cluster === undefined }, async ({ model, projector }) => {
    const evidence = domainEvidence(pack, context.domainWindows(), histogram, model);
    const expert = await chooseExpert({ strategy: asked, cluster, fittedSteps }, evidence, projector, model, { signal, onProgress: context.progress });
    const { losses, fittedCurve } = expert;
    const evaluations = losses?.length ?? (fittedCurve ? 2 : 0);
    const fittedTokens = (fittedCurve?.length ?? 0) * model.rows;
    const { seqLen } = settings;
    context.spend({
      tokens: fittedTokens,
      // Fitting projects forward and backward (to the coefficients) each step.
      flops: evaluations * (evidence.compared.numTokens * evaluationFlopsPerToken(pack.model, seqLen) + projectionFlops(pack.model, pack.projectedNetwork))
        + fittedTokens * trainingFlopsPerToken(pack.model, seqLen) + 2 * (fittedCurve?.length ?? 0) * projectionFlops(pack.model, pack.projectedNetwork),
      seconds: (performance.now() - started) / 1000,
    });
    return remembered(strategy, expert);
  });
}

function remembered(strategy: ChoiceOf<'SLM-pn'>['strategy'], { cluster, overridden, explanation, losses, vector }: ChosenExpert): RememberedExpert {
  return { expert: { strategy, cluster, overridden, explanation, losses }, vector: Array.from(vector) };
}
