// Values of methods' options as the page names them.
import type { ProjectionStrategy, SamplingStart } from '../../config/method.ts';

export const STRATEGY_LABELS: Readonly<Record<ProjectionStrategy, string>> = {
  mostFrequent: 'Most frequent cluster', bestPretrained: 'Best pretrained', mixture: 'Mixture', fitted: 'Fitted', bestFineTuned: 'Best fine-tuned',
};
export const START_LABELS: Readonly<Record<SamplingStart, string>> = { slm: 'Pretrained weights', random: 'Random weights' };

const NAMED: Readonly<Record<string, string>> = { ...STRATEGY_LABELS, ...START_LABELS };

/** Any option's or setting's value; a dash where a run has none. */
export function optionValueWords(value: unknown): string {
  if (value === undefined) return '–';
  if (typeof value === 'boolean') return value ? 'Yes' : 'No';
  const text = String(value);
  return Object.hasOwn(NAMED, text) ? NAMED[text] : text;
}
