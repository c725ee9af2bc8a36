// How often windows of generic text were drawn, in a sentence. Pure.
import { formatCount, formatPercent } from '../../core/format.ts';

/** @param repeats repeats[n] windows were drawn exactly n times (the last entry: or more often) */
export function repeatsSentence(repeats: readonly number[]): string {
  const [untouched = 0, once = 0, ...more] = repeats;
  const often = more.reduce((sum, windows) => sum + windows, 0);
  const drawn = once + often;
  const rest = untouched === 0 ? 'none was left out' : `${formatCount(untouched)} were not drawn`;
  if (drawn === 0) return 'No window of generic text was drawn.';
  if (often === 0) return `${formatCount(drawn)} different windows of generic text were drawn, none of them twice; ${rest}.`;
  const caution = often > drawn / 2 ? ' With so many repeats more steps bring little that is new.' : '';
  return `${formatCount(drawn)} different windows of generic text were drawn, ${formatCount(often)} of them (${formatPercent(often / drawn)}) more than once; ${rest}.${caution}`;
}
