// What rounds of interleaved generations amount to: tokens per second, ratios between engines on the same kind of device, and whether all said the same.
import { median } from '../step/comparison.ts';

export interface Timeline {
  readonly name: string;
  readonly ours: boolean;
  readonly runsOn: 'webgpu' | 'wasm';
  /** Milliseconds per round, prompt and all new tokens; the first round, which compiles, included. */
  readonly wholeMilliseconds: number[];
  /** Of the prompt and the first new token. */
  readonly firstMilliseconds: number[];
}

export interface ComparisonRow extends Timeline {
  /** New tokens over the whole time, the prompt's reading included: of the median round, and of the fastest. */
  readonly tokensPerSecond: number;
  readonly bestTokensPerSecond: number;
  /** Tokens after the first over the time after the first, by medians. */
  readonly decodeTokensPerSecond: number;
  /** Ours on the same kind of device over this one; absent for ours. */
  readonly oursIsFaster?: { readonly whole: number; readonly best: number; readonly decode: number };
}

/** @throws Error when an answer is not the expected ids, or not their text */
export function requireSame(name: string, answer: readonly number[] | string, expected: readonly number[], decode: (ids: readonly number[]) => string): void {
  const same = typeof answer === 'string' ? answer === decode(expected) : answer.length === expected.length && answer.every((id, i) => id === expected[i]);
  if (!same) throw new Error(`${name} says something else: ${JSON.stringify(answer)} instead of ${JSON.stringify(typeof answer === 'string' ? decode(expected) : expected)}`);
}

/** @param count new tokens of a round @throws Error when a contestant ran only its first round */
export function compare(timelines: readonly Timeline[], count: number): ComparisonRow[] {
  const rows = timelines.map((timeline): ComparisonRow => {
    const [whole, first] = [timeline.wholeMilliseconds.slice(1), timeline.firstMilliseconds.slice(1)];
    if (whole.length === 0) throw new Error(`${timeline.name} ran ${timeline.wholeMilliseconds.length} rounds; the first only compiles`);
    return {
      ...timeline,
      tokensPerSecond: (1000 * count) / median(whole),
      bestTokensPerSecond: (1000 * count) / Math.min(...whole),
      decodeTokensPerSecond: (1000 * (count - 1)) / (median(whole) - median(first)),
    };
  });
  return rows.map((row) => {
    const mine = rows.find(({ ours, runsOn }) => ours && runsOn === row.runsOn);
    if (row.ours || !mine) return row;
    const { tokensPerSecond, bestTokensPerSecond, decodeTokensPerSecond } = row;
    return {
      ...row,
      oursIsFaster: {
        whole: mine.tokensPerSecond / tokensPerSecond, best: mine.bestTokensPerSecond / bestTokensPerSecond, decode: mine.decodeTokensPerSecond / decodeTokensPerSecond,
      },
    };
  });
}
