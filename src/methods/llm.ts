// LLM: the large model, fine-tuned. Over the size that is to be deployed, so an upper reference, and the teacher of SLM-d.
import type { ModelConfig } from '../config/modelConfig.ts';
import { UserError } from '../core/invariant.ts';
import { createParameterTable } from '../model/parameters.ts';
import { readArena } from '../model/weightsFile.ts';
import type { Pack } from '../pack/openPack.ts';
import type { MethodContext, MethodPhases } from './method.ts';

export async function* llm(context: MethodContext): MethodPhases {
  const { pack, settings, signal } = context;
  return yield { name: 'fineTuning', ...(await largeModel(pack, settings.seqLen, signal)), windows: context.domainWindows(), settings, judged: true };
}

/** The pack's large model as pretrained, a CPU arena. @throws UserError when the pack has none, it cannot be fetched or its context is shorter than `seqLen` */
export async function largeModel(pack: Pack, seqLen: number, signal: AbortSignal): Promise<{ model: ModelConfig; weights: Float32Array }> {
  const { model, file } = await pack.readLargeModel({ signal });
  if (seqLen > model.maxPositionEmbeddings) throw new UserError(`The window length ${seqLen} is over the large model's context of ${model.maxPositionEmbeddings} tokens.`);
  return { model, weights: await readArena(file, createParameterTable(model)) };
}
