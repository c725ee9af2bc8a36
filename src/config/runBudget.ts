// What a run may use: the same tokens, minutes or operations for every method of a race. A method with two trainings (a teacher, resampled generic text)
// pays both from it, half and half, because both are paid once the text is known.
import type { MethodChoice } from './method.ts';
import type { ModelConfig } from './modelConfig.ts';
import { RUN_RANGES, type RunConfig } from './runConfig.ts';
import type { RunCost } from './runRecord.ts';
import { evaluationFlopsPerToken, trainingFlopsPerToken } from './trainingFlops.ts';

/** Of the budget, what a method with two trainings may use for the first. */
export const FIRST_TRAINING_SHARE = 0.5;

export type BudgetUnit = 'tokens' | 'minutes' | 'flops';
export const BUDGET_UNITS: readonly BudgetUnit[] = ['tokens', 'minutes', 'flops'];

export interface RunBudget {
  readonly unit: BudgetUnit;
  readonly amount: number;
}

/** One sentence when the budget makes no sense, or undefined. */
export function invalidBudget({ unit, amount }: RunBudget): string | undefined {
  return Number.isFinite(amount) && amount > 0 ? undefined : `The budget must be a number of ${unit === 'flops' ? 'operations' : unit} above zero, not ${amount}.`;
}

/** How much of the budget this cost is, from 0; validations and choosing an expert count where the unit counts them. */
export function usedShare({ unit, amount }: RunBudget, { tokens, seconds, flops }: Pick<RunCost, 'tokens' | 'seconds' | 'flops'>): number {
  const used = { tokens, minutes: seconds / 60, flops }[unit];
  return used / amount;
}

export interface BudgetModels {
  readonly small: ModelConfig;
  /** Absent where the pack has none; then no method that needs it is planned. */
  readonly large?: ModelConfig;
}

/**
 * Choice and settings with as many steps as the budget pays for, so that the learning rate's schedule ends with it. Minutes cannot be turned into steps
 * beforehand: then the rate stays constant after the warm-up and time alone ends the run.
 */
export function plannedForBudget(choice: MethodChoice, settings: RunConfig, budget: RunBudget, { small, large }: BudgetModels): { method: MethodChoice; settings: RunConfig } {
  const { seqLen } = settings;
  const stepsFor = (share: number, flopsPerToken: number): number => clampedSteps(stepsOf(budget, settings, share, flopsPerToken));
  const planned = (steps: number): RunConfig => ({
    ...settings, steps, evaluateEvery: Math.min(settings.evaluateEvery, steps), warmupSteps: Math.min(settings.warmupSteps, steps >> 1),
    ...(budget.unit === 'minutes' ? { schedule: 'constant' as const } : {}),
  });
  const smallFlops = trainingFlopsPerToken(small, seqLen);
  switch (choice.method) {
    case 'SLM-is':
      return { method: { ...choice, pretrainingSteps: stepsFor(FIRST_TRAINING_SHARE, smallFlops) }, settings: planned(stepsFor(1 - FIRST_TRAINING_SHARE, smallFlops)) };
    case 'SLM-d': {
      const largeFlops = trainingFlopsPerToken(large ?? small, seqLen);
      const student = smallFlops + evaluationFlopsPerToken(large ?? small, seqLen);
      return { method: { ...choice, teacherSteps: stepsFor(FIRST_TRAINING_SHARE, largeFlops) }, settings: planned(stepsFor(1 - FIRST_TRAINING_SHARE, student)) };
    }
    case 'LLM':
      return { method: choice, settings: planned(stepsFor(1, trainingFlopsPerToken(large ?? small, seqLen))) };
    default:
      return { method: choice, settings: planned(stepsFor(1, smallFlops)) };
  }
}

function stepsOf({ unit, amount }: RunBudget, { batchSize, seqLen, gradientAccumulation }: RunConfig, share: number, flopsPerToken: number): number {
  const tokensPerStep = batchSize * seqLen * gradientAccumulation;
  if (unit === 'minutes') return RUN_RANGES.steps.max;
  return (amount * share) / (unit === 'tokens' ? tokensPerStep : tokensPerStep * flopsPerToken);
}

const clampedSteps = (steps: number): number => Math.min(RUN_RANGES.steps.max, Math.max(1, Math.floor(steps)));
