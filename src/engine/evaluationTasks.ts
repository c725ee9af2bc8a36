// Losses of given weights on the validation or test documents, computed once per weights, text and window shape.
import type { SplitName } from '../config/dataConfig.ts';
import { evaluationText } from '../data/windows.ts';
import type { SmallModel } from '../model/smallModel.ts';
import { evaluateText, type EvaluationOptions, type EvaluationResult } from '../training/evaluation.ts';
import { lossFigure } from './figures.ts';
import type { EngineState, LoadedData } from './engineState.ts';
import type { LossFigure } from '../protocol/events.ts';
import { readArena } from '../model/weightsFile.ts';

export interface EvaluatedPart {
  readonly split: SplitName;
  /** At most so many tokens, spread over the documents; Infinity for all. */
  readonly maxTokens: number;
}

/** Evaluates the model's present weights. */
export function evaluateSplit(state: EngineState, data: LoadedData, model: SmallModel, { split, maxTokens }: EvaluatedPart, options: EvaluationOptions = {}): Promise<EvaluationResult> {
  const { endOfText } = state.requirePack().tokenizer;
  return evaluateText(model, evaluationText(data.corpus, data.split.documents[split], endOfText, model.shape.seqLen, maxTokens), options);
}

/** As evaluateSplit for weights with a known hash, from the cache where it can. Leaves `weights` in the model when it had to compute. */
export async function cachedFigure(state: EngineState, data: LoadedData, model: SmallModel, part: EvaluatedPart, weightsHash: string, weights: () => Promise<Float32Array>, signal?: AbortSignal): Promise<LossFigure> {
  const key = [weightsHash, data.summary.fingerprint, part.split, part.maxTokens, model.shape.seqLen].join('|');
  const known = state.lossCache.get(key);
  if (known) return known;
  await model.loadWeights(await weights());
  const figure = lossFigure(await evaluateSplit(state, data, model, part, { signal }));
  state.lossCache.set(key, figure);
  return figure;
}

/** The plain small model's weights, read from the pack once. */
export async function plainWeights(state: EngineState): Promise<Float32Array> {
  const { pack, table } = state.requirePack();
  state.slmWeights ??= await readArena(pack.slm, table);
  return state.slmWeights;
}
