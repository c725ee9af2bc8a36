import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits for `running` and asks for a number over and over meanwhile; gives the result and the largest.
 * @template T
 * @param {Promise<T>} running @param {() => Promise<number>} sample @param {number} everyMs @param {number} before what counts as the first sample
 * @returns {Promise<{ result: T, peak: number }>}
 */
export async function peakWhile(running, sample, everyMs, before) {
  let peak = before;
  const ended = running.then(() => true, () => true);
  while (!(await Promise.race([ended, sleep(everyMs)]))) peak = Math.max(peak, await sample());
  return { result: await running, peak };
}
