// A run as a thing that can be kept, compared, repeated and sent: plain, structured-cloneable, JSON-able. Losses are mean nats per token. The weights and
// the text lie elsewhere; the record names them by their hashes. An untrusted record is checked by runs/parseRunRecord.ts.
import { METHODS, methodOptions, optionMatters, type MethodChoice, type MethodOption, type OptionValue, type ProjectionStrategy } from './method.ts';
import { formatPercent } from '../core/format.ts';
import { RUN_RANGES, type RunConfig } from './runConfig.ts';

export const RUN_FORMAT_VERSION = 1;

/** `interrupted`: its tab was closed or reloaded; it can be taken up again from its checkpoint. */
export type RunState = 'running' | 'paused' | 'interrupted' | 'finished' | 'failed';
export const RUN_STATES: readonly RunState[] = ['running', 'paused', 'interrupted', 'finished', 'failed'];

/** Points a curve keeps at most; runs/boundedCurve.ts says which. */
export const MAX_CURVE_POINTS = 1000;

export interface RunCurvePoint {
  /** Optimizer steps so far, over all phases, and what they cost so far. */
  readonly step: number;
  readonly tokens: number;
  readonly seconds: number;
  readonly flops: number;
  /** Mean over the steps since the point before. */
  readonly trainLoss?: number;
  readonly validationLoss?: number;
}

export interface RunSample {
  readonly prompt: string;
  readonly text: string;
  readonly seed: number;
}

/** How given weights did on the test documents, with all it takes to compute the figures again. */
export interface RunTestFigure {
  readonly loss: number;
  readonly perplexity: number;
  readonly bitsPerByte: number;
  /** 95% bootstrap interval of perplexity over documents: [low, high]. */
  readonly interval: readonly [number, number];
  /** Seed of the bootstrap. */
  readonly intervalSeed: number;
  readonly tokens: number;
  /** UTF-8 bytes that the tokens stand for. */
  readonly bytes: number;
  readonly documents: number;
  /** First 16 hex digits (formats/weightsHash.ts). */
  readonly weightsHash: string;
  /** Sum of nats per test document, [documents]; the same order in every figure of one data set. */
  readonly documentNats: readonly number[];
  /** Tokens per test document, [documents]. */
  readonly documentTokens: readonly number[];
}

export interface RunPhase {
  /** E.g. "teacher" or "fine-tuning". */
  readonly name: string;
  readonly steps: number;
  readonly tokens: number;
  readonly flops: number;
  readonly seconds: number;
}

export interface RunCost {
  readonly tokens: number;
  readonly flops: number;
  readonly seconds: number;
  readonly peakGpuBytes: number;
}

export interface RunExpert {
  readonly strategy: ProjectionStrategy;
  readonly cluster?: number;
  /** Whether the user's own cluster took the strategy's place. */
  readonly overridden: boolean;
  readonly explanation: string;
  /** Loss per expert, where all were compared. */
  readonly losses?: readonly number[];
}

/** What is worth telling about a run's starting weights and its text. */
export interface RunNotes {
  readonly expert?: RunExpert;
  /** The expert vector [m]. */
  readonly vector?: readonly number[];
  /** Shares of the training text's windows per cluster. */
  readonly histogram?: readonly number[];
  /** Importance sampling: shares per cluster of the generic text as it is, and as it was drawn. */
  readonly histogramBefore?: readonly number[];
  readonly histogramAfter?: readonly number[];
  /** Importance sampling: repeats[n] windows of the reservoir were drawn exactly n times (the last entry: or more often). */
  readonly repeats?: readonly number[];
  /** Where fine-tuning stored activations, their gradients and the weights that products read as halves; absent where all was f32. */
  readonly storage?: 'f16';
  /** What the user should know before believing the figures: one sentence. */
  readonly warning?: string;
}

/** The model that a run leaves, as it would be used. */
export interface DeployedModel {
  readonly parameters: number;
  /** Generation one token at a time on the run's adapter, after the prompt was read. */
  readonly tokensPerSecond: number;
  /** Tokens that this was measured over. */
  readonly measuredTokens: number;
}

export interface TrainingPart {
  /** Of the training text's tokens, above 0, at most 1. */
  readonly share: number;
  readonly documents: number;
  readonly tokens: number;
}

export interface RunRecord {
  readonly formatVersion: typeof RUN_FORMAT_VERSION;
  /** Letters, digits, dots, dashes and underscores. */
  readonly runId: string;
  readonly name: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly state: RunState;
  readonly method: MethodChoice;
  /** The seed is among them. */
  readonly settings: RunConfig;
  /** What the run may use in all, where that and not the steps alone was given (config/runBudget.ts). */
  readonly budget?: { readonly unit: 'tokens' | 'minutes' | 'flops'; readonly amount: number };
  readonly dataFingerprint: string;
  /** Where it was to train on a nested part of the training text (data/nestedDocuments.ts): the share asked for, and what this is. */
  readonly trainingPart?: TrainingPart;
  /** Names of the user's files, as the list of runs shows them. */
  readonly dataLabel: string;
  readonly packName: string;
  readonly packHash: string;
  /** Name of the adapter it was trained on. */
  readonly adapter: string;
  /** Of the weights that the last phase began with: first 16 hex digits (formats/weightsHash.ts), as is bestWeightsHash. Absent until they were tested. */
  readonly startingWeightsHash?: string;
  /** Present when best weights are kept beside the record. */
  readonly bestWeightsHash?: string;
  /** Steps ascend; at most MAX_CURVE_POINTS. */
  readonly curve: readonly RunCurvePoint[];
  /** Text by the run's best weights; every run of one text completes the same prompt from the same seed. */
  readonly samples: readonly RunSample[];
  /** Absent while it trains, and where the model ended its text too soon to be timed. */
  readonly deployed?: DeployedModel;
  readonly test?: { readonly before?: RunTestFigure; readonly after: RunTestFigure };
  /** In the order they were run. */
  readonly phases: readonly RunPhase[];
  readonly cost: RunCost;
  readonly notes: RunNotes;
  /** Why it failed: one sentence. */
  readonly error?: string;
}

export interface SettingDifference {
  /** Key of the method's option or of RunConfig; "method", "budget" and "trainingPart" for these. */
  readonly field: string;
  readonly label: string;
  /** Undefined where a run's method has no such option or leaves it out. */
  readonly a: OptionValue | undefined;
  readonly b: OptionValue | undefined;
}

type Chosen = Pick<RunRecord, 'method' | 'settings' | 'budget' | 'trainingPart'>;

const budgetText = ({ budget }: Chosen): string | undefined => budget && `${budget.amount} ${budget.unit}`;

const partText = ({ trainingPart }: Chosen): string | undefined => trainingPart && `${formatPercent(trainingPart.share)} of it`;

/** What differs in method, its options, budget, part of the training text and the settings, in that order. */
export function settingsDifference(a: Chosen, b: Chosen): SettingDifference[] {
  const method = compare('method', 'Method', METHODS[a.method.method].label, METHODS[b.method.method].label);
  const optionsOfA = optionsThatMatter(a.method);
  const optionsOfB = optionsThatMatter(b.method);
  const options = [...new Map([...optionsOfA, ...optionsOfB]).values()]
    .flatMap(({ field, label }) => compare(field, label, optionsOfA.get(field)?.value, optionsOfB.get(field)?.value));
  const settings = (Object.keys({ ...a.settings, ...b.settings }) as (keyof RunConfig)[])
    .flatMap((field) => compare(field, settingLabel(field), a.settings[field], b.settings[field]));
  return [...method, ...options, ...compare('budget', 'Budget', budgetText(a), budgetText(b)), ...compare('trainingPart', 'Training text', partText(a), partText(b)), ...settings];
}

const optionsThatMatter = (choice: MethodChoice): ReadonlyMap<string, MethodOption> =>
  new Map(methodOptions(choice).filter(({ field }) => optionMatters(choice, field)).map((option) => [option.field, option]));

/** The page's label, or for a setting without a range its key in words: "recomputeActivations" is "Recompute activations". */
function settingLabel(field: string): string {
  if (Object.hasOwn(RUN_RANGES, field)) return RUN_RANGES[field as keyof typeof RUN_RANGES].label;
  const words = field.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return words[0].toUpperCase() + words.slice(1);
}

const compare = (field: string, label: string, a: OptionValue | undefined, b: OptionValue | undefined): SettingDifference[] => (a === b ? [] : [{ field, label, a, b }]);
