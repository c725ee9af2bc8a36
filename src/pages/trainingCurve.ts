// A run's curve as perplexities, one point per evaluation, beginning with the projected model at step 0.
import type { EventOf } from '../protocol/events.ts';

export interface CurvePoint {
  readonly step: number;
  /** Perplexity of the mean training loss of the steps since the previous point; at step 0, of the first step's loss, which is taken before any update. */
  readonly train: number;
  readonly validation: number;
}

const perplexityOfMean = (losses: readonly number[]): number => Math.exp(losses.reduce((sum, loss) => sum + loss, 0) / losses.length);

/** Points in order of steps; an evaluation the engine itself reports at step 0 is the one of `started`. Empty when no step was taken. */
export function trainingCurve(
  started: EventOf<'train.started'> | undefined,
  stepped: readonly EventOf<'train.stepped'>[],
  evaluated: readonly EventOf<'train.evaluated'>[],
): CurvePoint[] {
  if (!started || stepped.length === 0) return [];
  const points: CurvePoint[] = [{ step: 0, train: Math.exp(stepped[0].loss), validation: started.projected.perplexity }];
  for (const { step, validation } of evaluated) {
    const previous = points[points.length - 1].step;
    const losses = stepped.filter((event) => event.step > previous && event.step <= step).map((event) => event.loss);
    if (losses.length > 0) points.push({ step, train: perplexityOfMean(losses), validation: validation.perplexity });
  }
  return points;
}
