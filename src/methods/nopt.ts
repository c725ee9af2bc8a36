// SLM-nopt: the small model from random weights, trained on the user's text alone. What pretraining is worth.
import { randomWeights } from '../model/initialization.ts';
import type { MethodContext, MethodPhases } from './method.ts';

export async function* nopt(context: MethodContext): MethodPhases {
  const { pack, table, settings } = context;
  return yield { name: 'fineTuning', model: pack.model, weights: randomWeights(pack.model, table, settings.seed), windows: context.domainWindows(), settings, judged: true };
}
