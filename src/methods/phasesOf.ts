// From the user's choice to the method's phases.
import type { MethodChoice } from '../config/method.ts';
import { distillation } from './distillation.ts';
import { importanceSampling } from './importanceSampling.ts';
import { llm } from './llm.ts';
import type { MethodContext, MethodPhases } from './method.ts';
import { mix } from './mix.ts';
import { nopt } from './nopt.ts';
import { pn } from './pn.ts';
import { slm } from './slm.ts';

export function phasesOf(choice: MethodChoice, context: MethodContext): MethodPhases {
  switch (choice.method) {
    case 'SLM': return slm(context);
    case 'SLM-nopt': return nopt(context);
    case 'SLM-pn': return pn(context, choice);
    case 'SLM-mix': return mix(context, choice);
    case 'SLM-is': return importanceSampling(context, choice);
    case 'SLM-d': return distillation(context, choice);
    case 'LLM': return llm(context);
  }
}
