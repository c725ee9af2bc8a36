// Learning rate by step: linear warm-up, then cosine to a share of the peak, or constant.
import type { RunConfig } from '../config/runConfig.ts';

type ScheduleConfig = Pick<RunConfig, 'steps' | 'learningRate' | 'warmupSteps' | 'schedule' | 'finalLearningRateShare'>;

/** Rate of optimizer step `step` (1-based). Step 1 of w warm-up steps takes 1/w of the peak, so no step is wasted at zero. */
export function learningRateAt(step: number, config: ScheduleConfig): number {
  const { learningRate: peak, warmupSteps, steps, schedule, finalLearningRateShare } = config;
  if (step <= warmupSteps) return (peak * step) / warmupSteps;
  if (schedule === 'constant') return peak;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, steps - warmupSteps));
  return peak * (finalLearningRateShare + (1 - finalLearningRateShare) * 0.5 * (1 + Math.cos(Math.PI * progress)));
}
