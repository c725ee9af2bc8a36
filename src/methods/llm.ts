// LLM: the large model, fine-tuned. Over the size that is to be deployed, so an upper reference, and the teacher of SLM-d.
import type { ModelConfig } from '../config/modelConfig.ts';
import { createParameterTable } from '../model/parameters.ts';
import { readArena } from '../model/weightsFile.ts';
import type { Pack } from '../pack/openPack.ts';
import type { MethodContext, MethodPhases } from './method.ts';

export async function* llm(context: MethodContext): MethodPhases {
  const { pack, settings, signal } = context;
  return yield { name: 'fineTuning', ...(await largeModel(pack, signal)), windows: context.domainWindows(), settings, judged: true };
}

/** The pack's large model as pretrained, a CPU arena. @throws UserError when the pack has none or it cannot be fetched */
export async function largeModel(pack: Pack, signal: AbortSignal): Promise<{ model: ModelConfig; weights: Float32Array }> {
  const { model, file } = await pack.readLargeModel({ signal });
  return { model, weights: await readArena(file, createParameterTable(model)) };
}
