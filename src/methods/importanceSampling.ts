// SLM-is: the small model is pretrained further on generic text resampled so that its cluster histogram is the user's (clusters/importance.ts), then fine-tuned.
// All of it is paid for one domain.
import type { ChoiceOf } from '../config/method.ts';
import { FIRST_TRAINING_SHARE } from '../config/runBudget.ts';
import { planImportanceSampling } from '../clusters/importance.ts';
import { reservoirWindowCounts, ReservoirWindows } from '../data/reservoirWindows.ts';
import { randomWeights } from '../model/initialization.ts';
import type { MethodContext, MethodPhases } from './method.ts';

export async function* importanceSampling(context: MethodContext, { start, pretrainingSteps }: ChoiceOf<'SLM-is'>): MethodPhases {
  const { pack, table, settings, signal } = context;
  const histogram = await context.histogram();
  const reservoir = await pack.readReservoir({ signal });
  const { resampled, generic, warning } = planImportanceSampling(pack.clusters, histogram, reservoirWindowCounts(reservoir, settings.seqLen));
  const windows = new ReservoirWindows(reservoir, resampled, { seqLen: settings.seqLen, seed: settings.seed });
  const weights = start === 'random' ? randomWeights(pack.model, table, settings.seed) : await context.plainWeights();
  context.note({ histogram, histogramBefore: generic, warning });
  // Validated on the user's text for the curve, but not judged by it: what counts is how it ends after fine-tuning.
  const pretrained = yield { name: 'pretraining', model: pack.model, weights, windows, settings: { ...settings, steps: pretrainingSteps }, judged: false, upTo: FIRST_TRAINING_SHARE };
  // Where the run was taken up again after this phase, the windows are still at their beginning.
  windows.seek(pretrained.steps * settings.batchSize * settings.gradientAccumulation);
  const { drawn, repeatCounts } = windows.report();
  context.note({ histogramAfter: drawn, repeats: repeatCounts });
  return yield { name: 'fineTuning', model: pack.model, weights: pretrained.weights, windows: context.domainWindows(), settings, judged: true };
}
