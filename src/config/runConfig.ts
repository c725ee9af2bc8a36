// What a fine-tuning run is: plain values with defaults, ranges and the presets by data size that follow the paper
// (arXiv 2402.01093: Adam at 1e-4 in pretraining; 1M tokens: rate divided by 3, early stopping, at most 2k steps; 8M: 4k; 64M: 30k).

export type ScheduleName = 'cosine' | 'constant';
export type ExpertStrategy = 'mostFrequent' | 'bestPretrained' | 'mixture' | 'fitted';
export const EXPERT_STRATEGIES: readonly ExpertStrategy[] = ['mostFrequent', 'bestPretrained', 'mixture', 'fitted'];

/** The choice before the user makes one: the paper's default, and free. */
export const DEFAULT_STRATEGY: ExpertStrategy = 'mostFrequent';

/** Adam steps of the fitted strategy. */
export const DEFAULT_FITTED_STEPS = 24;

export interface RunConfig {
  /** Optimizer steps at most. */
  readonly steps: number;
  /** Windows per micro-batch (B). */
  readonly batchSize: number;
  /** Tokens per window (T), at most the model's context. */
  readonly seqLen: number;
  /** Micro-batches summed before one optimizer step. */
  readonly gradientAccumulation: number;
  /** Computes activations again in the backward pass instead of keeping them: the same result in less memory and more time. */
  readonly recomputeActivations: boolean;
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly schedule: ScheduleName;
  /** Cosine decays to this share of the peak rate. */
  readonly finalLearningRateShare: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Global gradient norm is clipped at this value. */
  readonly clipNorm: number;
  readonly seed: number;
  /** Validation is evaluated every so many steps. */
  readonly evaluateEvery: number;
  /** At most so many validation tokens per evaluation (the whole split if smaller). */
  readonly evaluationTokens: number;
  /** Evaluations without improvement before early stopping; 0 turns it off. */
  readonly patience: number;
}

/** What of a run may change to take less GPU memory while each step stays the same step. */
export type MemorySettings = Pick<RunConfig, 'batchSize' | 'gradientAccumulation' | 'recomputeActivations'>;

/** What of `from` is changed to `to`, e.g. "batches of 2, 4 per step" or "recomputed activations". */
export function memoryChange(from: MemorySettings, to: MemorySettings): string {
  const batches = to.batchSize === from.batchSize ? [] : [`batches of ${to.batchSize}, ${to.gradientAccumulation} per step`];
  return [...batches, ...(to.recomputeActivations && !from.recomputeActivations ? ['recomputed activations'] : [])].join(', and ');
}

export const DEFAULT_RUN_CONFIG: RunConfig = {
  steps: 200,
  batchSize: 4,
  seqLen: 128,
  gradientAccumulation: 1,
  recomputeActivations: false,
  learningRate: 1e-3,
  warmupSteps: 10,
  schedule: 'cosine',
  finalLearningRateShare: 0.1,
  weightDecay: 0.1,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  clipNorm: 1,
  seed: 1,
  evaluateEvery: 10,
  evaluationTokens: 4096,
  patience: 5,
};

export interface FieldRange {
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly step: number | 'any';
  readonly integer?: boolean;
  readonly help: string;
}

/** Label, range and a sentence of help for every numeric field of a run. */
export const RUN_RANGES: Readonly<Record<Exclude<keyof RunConfig, 'schedule' | 'recomputeActivations'>, FieldRange>> = {
  steps: { label: 'Steps', min: 1, max: 100_000, step: 1, integer: true, help: 'Optimizer steps at most; early stopping may end sooner.' },
  batchSize: { label: 'Batch size', min: 1, max: 64, step: 1, integer: true, help: 'Windows computed at once; bounded by GPU memory.' },
  seqLen: { label: 'Window length', min: 8, max: 4096, step: 8, integer: true, help: 'Tokens per window, at most the context of the model.' },
  gradientAccumulation: { label: 'Accumulation', min: 1, max: 256, step: 1, integer: true, help: 'Micro-batches summed before each optimizer step.' },
  learningRate: { label: 'Learning rate', min: 1e-7, max: 1, step: 'any', help: 'Peak rate of AdamW.' },
  warmupSteps: { label: 'Warm-up steps', min: 0, max: 10_000, step: 1, integer: true, help: 'Steps over which the rate rises linearly from zero.' },
  finalLearningRateShare: { label: 'Final rate share', min: 0, max: 1, step: 0.05, help: 'The cosine schedule ends at this share of the peak rate.' },
  weightDecay: { label: 'Weight decay', min: 0, max: 1, step: 0.01, help: 'Decoupled decay on matrices; norms take none.' },
  beta1: { label: 'Beta 1', min: 0, max: 0.9999, step: 'any', help: 'Decay of the first moment of AdamW.' },
  beta2: { label: 'Beta 2', min: 0, max: 0.99999, step: 'any', help: 'Decay of the second moment of AdamW.' },
  epsilon: { label: 'Epsilon', min: 1e-12, max: 1e-2, step: 'any', help: 'Added to the denominator of AdamW.' },
  clipNorm: { label: 'Clip norm', min: 0.01, max: 100, step: 'any', help: 'Largest global norm of the gradient.' },
  seed: { label: 'Seed', min: 0, max: 2 ** 31 - 1, step: 1, integer: true, help: 'Order of the training windows.' },
  evaluateEvery: { label: 'Evaluate every', min: 1, max: 10_000, step: 1, integer: true, help: 'Steps between two validations.' },
  evaluationTokens: { label: 'Validation tokens', min: 128, max: 10_000_000, step: 128, integer: true, help: 'Tokens per validation; the test figures always use the whole test split.' },
  patience: { label: 'Patience', min: 0, max: 1000, step: 1, integer: true, help: 'Validations without improvement before stopping; 0 never stops early.' },
};

export type PresetName = '1M' | '8M' | '64M';

export interface Preset {
  readonly name: PresetName;
  readonly label: string;
  /** What the preset follows, in a sentence for the page. */
  readonly note: string;
  readonly config: Partial<RunConfig>;
}

// The paper's small model trains at 1e-4 and is fine-tuned at a third of that on 1M tokens. Our packs are smaller and pretrained at 3e-3, so the same
// proportion gives 1e-3.
export const PRESETS: readonly Preset[] = [
  { name: '1M', label: 'About 1M tokens or fewer', note: 'A third of the pretraining rate, early stopping on validation loss, at most 2,000 steps.', config: { steps: 2_000, learningRate: 1e-3, warmupSteps: 10, patience: 5, evaluateEvery: 10 } },
  { name: '8M', label: 'About 8M tokens', note: 'The full pretraining rate, at most 4,000 steps, early stopping kept as a guard.', config: { steps: 4_000, learningRate: 3e-3, warmupSteps: 100, patience: 10, evaluateEvery: 50 } },
  { name: '64M', label: 'About 64M tokens', note: 'The full pretraining rate, up to 30,000 steps.', config: { steps: 30_000, learningRate: 3e-3, warmupSteps: 500, patience: 20, evaluateEvery: 250 } },
];

/** The preset whose size is nearest to `numTokens` on a log scale. */
export function presetForTokens(numTokens: number): Preset {
  if (numTokens < Math.sqrt(1e6 * 8e6)) return PRESETS[0];
  return numTokens < Math.sqrt(8e6 * 64e6) ? PRESETS[1] : PRESETS[2];
}

/** One sentence naming the first field that is out of range, or undefined. */
export function invalidRunField(config: RunConfig): string | undefined {
  for (const [key, range] of Object.entries(RUN_RANGES)) {
    const value = config[key as keyof typeof RUN_RANGES];
    if (!(value >= range.min && value <= range.max)) return `${range.label} must be between ${range.min} and ${range.max}, not ${value}.`;
    if (range.integer && !Number.isInteger(value)) return `${range.label} must be a whole number, not ${value}.`;
  }
  return undefined;
}
