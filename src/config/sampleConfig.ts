// How text is generated side by side.

export interface SampleConfig {
  readonly prompt: string;
  readonly maxTokens: number;
  /** 0 picks the most likely token. */
  readonly temperature: number;
  /** Nucleus sampling: the smallest set of tokens whose probability reaches this. */
  readonly topP: number;
  readonly seed: number;
}

export const DEFAULT_SAMPLE_CONFIG: SampleConfig = { prompt: '', maxTokens: 80, temperature: 0.8, topP: 0.9, seed: 1 };
