// A run's curve in bounded memory. When it is full, the point that is closest to its neighbours goes, so that what stays is spread evenly over the steps;
// the first and the last point and the best validation always stay. Nothing is lost of the training loss: the next point takes on the dropped one's steps.
import { MAX_CURVE_POINTS, type RunCurvePoint } from '../config/runRecord.ts';

/**
 * The curve with `point` at its end, in at most `capacity` points (at least 4).
 * A point at the step of the last one completes it. A loss that is not finite is left out: it has no place on a chart, nor in JSON.
 */
export function appendCurvePoint(curve: readonly RunCurvePoint[], point: RunCurvePoint, capacity = MAX_CURVE_POINTS): readonly RunCurvePoint[] {
  const finite = finiteFields(point);
  const last = curve.at(-1);
  if (last?.step === point.step) return [...curve.slice(0, -1), { ...last, ...finite }];
  const longer = [...curve, finite];
  return longer.length <= capacity ? longer : dropped(longer, leastMissed(longer));
}

/** Index of the point that is dropped next: never the first, the last or the best validation, and a validation only where nothing else is left. */
function leastMissed(curve: readonly RunCurvePoint[]): number {
  const best = bestValidation(curve);
  let chosen = -1;
  let chosenGap = Infinity;
  let chosenIsValidated = true;
  for (let i = 1; i < curve.length - 1; i++) {
    if (i === best) continue;
    const gap = curve[i + 1].step - curve[i - 1].step;
    const isValidated = curve[i].validationLoss !== undefined;
    if (chosen >= 0 && (isValidated !== chosenIsValidated ? isValidated : !(gap < chosenGap))) continue;
    chosen = i;
    chosenGap = gap;
    chosenIsValidated = isValidated;
  }
  return chosen;
}

function bestValidation(curve: readonly RunCurvePoint[]): number {
  let best = -1;
  let lowest = Infinity;
  curve.forEach(({ validationLoss }, i) => {
    if (validationLoss === undefined || !(validationLoss < lowest)) return;
    lowest = validationLoss;
    best = i;
  });
  return best;
}

/** The curve without point `index`; the point after it now tells the mean training loss over the steps of both. */
function dropped(curve: readonly RunCurvePoint[], index: number): RunCurvePoint[] {
  const [before, gone, after] = curve.slice(index - 1, index + 2);
  const trainLoss = meanLoss(gone.trainLoss, gone.step - before.step, after.trainLoss, after.step - gone.step);
  return [...curve.slice(0, index), trainLoss === undefined ? after : { ...after, trainLoss }, ...curve.slice(index + 2)];
}

function meanLoss(first: number | undefined, firstSteps: number, second: number | undefined, secondSteps: number): number | undefined {
  if (first === undefined) return second;
  if (second === undefined) return first;
  return (first * firstSteps + second * secondSteps) / (firstSteps + secondSteps);
}

function finiteFields({ trainLoss, validationLoss, ...place }: RunCurvePoint): RunCurvePoint {
  return { ...place, ...(Number.isFinite(trainLoss) ? { trainLoss } : {}), ...(Number.isFinite(validationLoss) ? { validationLoss } : {}) };
}
