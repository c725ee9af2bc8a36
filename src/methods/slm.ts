// SLM: the plain small model, pretrained on the same text as the projected network, fine-tuned. The baseline of every comparison.
import type { MethodContext, MethodPhases } from './method.ts';

export async function* slm(context: MethodContext): MethodPhases {
  return yield { name: 'fineTuning', model: context.pack.model, weights: await context.plainWeights(), windows: context.domainWindows(), settings: context.settings, judged: true };
}
