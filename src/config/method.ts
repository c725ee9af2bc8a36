// The paper's systems (arXiv 2402.01093) as a run may choose them: what each is, what of a pack it needs, and its own options with defaults and
// ranges. Settings that all share (steps, rates, seed) are in runConfig.ts.
import { DEFAULT_FITTED_STEPS, DEFAULT_STRATEGY, EXPERT_STRATEGIES, type ExpertStrategy, type FieldRange } from './runConfig.ts';

export type MethodName = 'SLM' | 'SLM-nopt' | 'SLM-pn' | 'SLM-mix' | 'SLM-is' | 'SLM-d' | 'LLM';
export const METHOD_NAMES: readonly MethodName[] = ['SLM', 'SLM-nopt', 'SLM-pn', 'SLM-mix', 'SLM-is', 'SLM-d', 'LLM'];

/**
 * Parts of a pack, some of them optional: `slm` and `pn` are the two pretrained networks, `mix` the hard mixture's experts, `llm` the large model,
 * `clusters` the document encoder with its centroids, `reservoir` the generic text kept for resampling.
 */
export type PackPart = 'slm' | 'pn' | 'mix' | 'llm' | 'clusters' | 'reservoir';

export interface MethodFacts {
  readonly label: string;
  /** One sentence for the page. */
  readonly description: string;
  /** What it needs whatever its options are; packPartsOf says it for a choice. */
  readonly needs: readonly PackPart[];
}

export const METHODS: Readonly<Record<MethodName, MethodFacts>> = {
  'SLM': { label: 'Plain small model', description: 'The small model pretrained on generic text, fine-tuned on yours.', needs: ['slm'] },
  'SLM-nopt': { label: 'No pretraining', description: 'The small model trained on your text alone, from random weights.', needs: [] },
  'SLM-pn': { label: 'Projected network', description: 'One expert of the large projected network, projected to a small model and fine-tuned on your text.', needs: ['pn', 'clusters'] },
  'SLM-mix': { label: 'Hard mixture', description: 'One of the small models pretrained on a single cluster each, fine-tuned on your text.', needs: ['mix', 'clusters'] },
  'SLM-is': { label: 'Importance sampling', description: 'The small model pretrained further on generic text resampled to look like yours, then fine-tuned on yours.', needs: ['clusters', 'reservoir'] },
  'SLM-d': { label: 'Distillation', description: 'The large model is fine-tuned on your text and then teaches the small one its next-token distributions.', needs: ['slm', 'llm'] },
  'LLM': { label: 'Large model', description: 'The large model fine-tuned on your text: over the size that is to be deployed, shown as the upper reference.', needs: ['llm'] },
};

/** How SLM-pn finds its expert vector; `bestFineTuned` fine-tunes all experts and keeps the best. */
export type ProjectionStrategy = ExpertStrategy | 'bestFineTuned';
export const PROJECTION_STRATEGIES: readonly ProjectionStrategy[] = [...new Set<ProjectionStrategy>([...EXPERT_STRATEGIES, 'bestFineTuned'])];

export type MixtureStrategy = 'mostFrequent' | 'bestPretrained';
export const MIXTURE_STRATEGIES: readonly MixtureStrategy[] = ['mostFrequent', 'bestPretrained'];

/** Weights that SLM-is goes on from. */
export type SamplingStart = 'slm' | 'random';
export const SAMPLING_STARTS: readonly SamplingStart[] = ['slm', 'random'];

/** A method with its own options. */
export type MethodChoice =
  | { readonly method: 'SLM' }
  | { readonly method: 'SLM-nopt' }
  | {
      readonly method: 'SLM-pn';
      readonly strategy: ProjectionStrategy;
      /** The user's own choice of an expert; overrides the strategy. */
      readonly cluster?: number;
      /** Gradient steps of `fitted`. */
      readonly fittedSteps?: number;
      /** Successive halving in `bestFineTuned`: the worse half of the experts is dropped after each round. */
      readonly halving?: boolean;
    }
  | {
      readonly method: 'SLM-mix';
      readonly strategy: MixtureStrategy;
      /** The user's own choice of an expert; overrides the strategy. */
      readonly cluster?: number;
    }
  | {
      readonly method: 'SLM-is';
      readonly start: SamplingStart;
      /** Optimizer steps on resampled generic text, before fine-tuning. */
      readonly pretrainingSteps: number;
    }
  | {
      readonly method: 'SLM-d';
      /** Share of the teacher's distributions in the loss, the text's own tokens take the rest. */
      readonly weight: number;
      /** Divides teacher's and student's logits in the distillation loss. */
      readonly temperature: number;
      /** Optimizer steps of the teacher's fine-tuning. */
      readonly teacherSteps: number;
    }
  | { readonly method: 'LLM' };

export type ChoiceOf<M extends MethodName> = Extract<MethodChoice, { method: M }>;

/** Each method as it stands before the user changes an option. */
export const DEFAULT_CHOICES: { readonly [M in MethodName]: ChoiceOf<M> } = {
  'SLM': { method: 'SLM' },
  'SLM-nopt': { method: 'SLM-nopt' },
  'SLM-pn': { method: 'SLM-pn', strategy: DEFAULT_STRATEGY, fittedSteps: DEFAULT_FITTED_STEPS, halving: true },
  'SLM-mix': { method: 'SLM-mix', strategy: 'mostFrequent' },
  'SLM-is': { method: 'SLM-is', start: 'slm', pretrainingSteps: 200 },
  'SLM-d': { method: 'SLM-d', weight: 0.5, temperature: 1, teacherSteps: 100 },
  'LLM': { method: 'LLM' },
};

export type MethodNumber = 'cluster' | 'fittedSteps' | 'pretrainingSteps' | 'weight' | 'temperature' | 'teacherSteps';

/** Label, range and a sentence of help for every numeric option. Whether a cluster exists is for the pack to say. */
export const METHOD_RANGES: Readonly<Record<MethodNumber, FieldRange>> = {
  cluster: { label: 'Cluster', min: 0, max: 65_535, step: 1, integer: true, help: 'The expert to start from, whatever the strategy would choose.' },
  fittedSteps: { label: 'Fitting steps', min: 1, max: 10_000, step: 1, integer: true, help: 'Gradient steps on the expert vector alone.' },
  pretrainingSteps: { label: 'Pretraining steps', min: 1, max: 100_000, step: 1, integer: true, help: 'Optimizer steps on generic text resampled to your clusters, before fine-tuning.' },
  weight: { label: 'Teacher weight', min: 0, max: 1, step: 0.05, help: 'Share of the teacher in the loss; 0 learns from the text alone, 1 from the teacher alone.' },
  temperature: { label: 'Temperature', min: 0.1, max: 20, step: 0.1, help: 'Above 1, the student sees more of the tokens the teacher thinks less likely.' },
  teacherSteps: { label: 'Teacher steps', min: 1, max: 100_000, step: 1, integer: true, help: 'Optimizer steps of the large model before it teaches.' },
};

interface OptionFacts {
  readonly label: string;
  readonly values: readonly (string | boolean)[];
}

/** Label and values of the options that are not numbers; `strategy` has other values per method. */
const NAMED_OPTIONS: Readonly<Record<string, OptionFacts>> = {
  'SLM-pn.strategy': { label: 'Strategy', values: PROJECTION_STRATEGIES },
  'SLM-pn.halving': { label: 'Successive halving', values: [true, false] },
  'SLM-mix.strategy': { label: 'Strategy', values: MIXTURE_STRATEGIES },
  'SLM-is.start': { label: 'Starting weights', values: SAMPLING_STARTS },
};

export type OptionValue = string | number | boolean;

export interface MethodOption {
  readonly field: string;
  readonly label: string;
  readonly value: OptionValue;
}

/** The options a choice sets, in the order in which it names them. */
export function methodOptions(choice: MethodChoice): MethodOption[] {
  return Object.entries(choice)
    .filter(([field, value]) => field !== 'method' && value !== undefined)
    .map(([field, value]) => ({ field, label: rangeOf(field)?.label ?? NAMED_OPTIONS[`${choice.method}.${field}`]?.label ?? field, value: value as OptionValue }));
}

/** Whether an option changes anything as the others stand: fitting steps where nothing is fitted do not. */
export function optionMatters(choice: MethodChoice, field: string): boolean {
  if (choice.method !== 'SLM-pn') return true;
  const strategy = choice.cluster === undefined ? choice.strategy : undefined;
  if (field === 'fittedSteps') return strategy === 'fitted';
  return field !== 'halving' || strategy === 'bestFineTuned';
}

/** What a choice needs of the pack. */
export function packPartsOf(choice: MethodChoice): readonly PackPart[] {
  const { needs } = METHODS[choice.method];
  return choice.method === 'SLM-is' && choice.start === 'slm' ? ['slm', ...needs] : needs;
}

/** Which optional parts a pack has. */
export interface OptionalParts {
  /** How many experts of the hard mixture. */
  readonly mixtureExperts: number;
  readonly largeModel: boolean;
  readonly reservoir: boolean;
}

/** What of a pack a choice lacks, as a few words; undefined when it can run. */
export function lackingPart(choice: MethodChoice, has: OptionalParts): string | undefined {
  const parts = packPartsOf(choice);
  if (parts.includes('mix') && has.mixtureExperts === 0) return 'mixture experts';
  if (parts.includes('llm') && !has.largeModel) return 'a large model';
  return parts.includes('reservoir') && !has.reservoir ? 'a reservoir of generic text' : undefined;
}

/** One sentence naming the first option that is out of range, or undefined. */
export function invalidMethodField(choice: MethodChoice): string | undefined {
  for (const { field, label, value } of methodOptions(choice)) {
    const named = NAMED_OPTIONS[`${choice.method}.${field}`];
    if (named && !named.values.includes(value as string | boolean)) return `${label} of ${choice.method} must be ${named.values.join(', ')}, not ${value}.`;
    const range = rangeOf(field);
    if (!range) continue;
    if (typeof value !== 'number' || !(value >= range.min && value <= range.max)) return `${range.label} must be between ${range.min} and ${range.max}, not ${value}.`;
    if (range.integer && !Number.isInteger(value)) return `${range.label} must be a whole number, not ${value}.`;
  }
  return undefined;
}

const rangeOf = (field: string): FieldRange | undefined => (Object.hasOwn(METHOD_RANGES, field) ? METHOD_RANGES[field as MethodNumber] : undefined);
