// What a finished run's model writes, and how fast: one completion of the beginning of a test document.
import type { ModelConfig } from '../config/modelConfig.ts';
import { numParameters } from '../config/modelConfig.ts';
import type { DeployedModel, RunSample } from '../config/runRecord.ts';
import { DEFAULT_SAMPLE_CONFIG } from '../config/sampleConfig.ts';
import type { Gpu } from '../gpu/device.ts';
import { Generator } from '../model/generation.ts';
import type { TextTokenizer } from '../tokenizer/tokenizer.ts';
import type { RunText } from './runText.ts';

/** Tokens of the test document that are given, and tokens that are written. */
const PROMPT_TOKENS = 16;
const SAMPLE_TOKENS = 48;
/** First tokens, with kernels and caches still cold, are not timed: so many, and what came with them. */
const WARM_UP_TOKENS = 8;

/** A prompt as ids without the end-of-text token that goes before it. */
export function samplePrompt({ corpus, split }: RunText): Uint32Array {
  const [document] = split.documents.test;
  const prompt = new Uint32Array(Math.min(PROMPT_TOKENS, corpus.tokenCountOf(document)));
  corpus.copyTokens(document, 0, prompt.length, prompt, 0);
  return prompt;
}

export interface RunCompletion {
  readonly sample: RunSample;
  readonly deployed?: DeployedModel;
}

/** To be called while nothing else computes on the GPU, or the speed is not the model's. @param weights CPU arena */
export async function completeSample(gpu: Gpu, config: ModelConfig, weights: Float32Array, tokenizer: TextTokenizer, prompt: Uint32Array): Promise<RunCompletion> {
  const generator = await Generator.create(gpu, config, weights, 'runSample');
  try {
    const written: number[] = [];
    let [warmedUp, numUntimed] = [0, 0];
    const { temperature, topP, seed } = DEFAULT_SAMPLE_CONFIG;
    for await (const ids of generator.generate([tokenizer.endOfText, ...prompt], { temperature, topP, seed, maxTokens: SAMPLE_TOKENS, endOfText: tokenizer.endOfText })) {
      written.push(...ids);
      if (numUntimed === 0 && written.length >= WARM_UP_TOKENS) [warmedUp, numUntimed] = [performance.now(), written.length];
    }
    const seconds = (performance.now() - warmedUp) / 1000;
    const measuredTokens = numUntimed > 0 ? written.length - numUntimed : 0;
    return {
      sample: { prompt: tokenizer.decode(prompt), text: tokenizer.decode(written), seed },
      deployed: measuredTokens > 0 && seconds > 0 ? { parameters: numParameters(config), tokensPerSecond: measuredTokens / seconds, measuredTokens } : undefined,
    };
  } finally {
    generator.destroy();
  }
}
