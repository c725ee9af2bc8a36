// SLM-d: the large model is fine-tuned on the user's text and then teaches the small one, which learns from the text and from the teacher's next-token
// distributions (Hinton et al., arXiv 1503.02531; the paper's SLM-d). The teacher's cost counts: it is paid once the text is known.
import type { ChoiceOf } from '../config/method.ts';
import { FIRST_TRAINING_SHARE } from '../config/runBudget.ts';
import { largeModel } from './llm.ts';
import type { MethodContext, MethodPhases } from './method.ts';

export async function* distillation(context: MethodContext, { weight, temperature, teacherSteps }: ChoiceOf<'SLM-d'>): MethodPhases {
  const { pack, settings, signal } = context;
  const large = await largeModel(pack, settings.seqLen, signal);
  const teacher = yield { name: 'teacher', ...large, windows: context.domainWindows(), settings: { ...settings, steps: teacherSteps }, judged: true, upTo: FIRST_TRAINING_SHARE };
  return yield {
    name: 'fineTuning', model: pack.model, weights: await context.plainWeights(), windows: context.domainWindows(), settings, judged: true,
    teacher: { model: large.model, weights: teacher.weights, weight, temperature },
  };
}
