// Domains and ticks of the charts' axes. Pure.

const STEPS = [1, 2, 2.5, 5, 10];

/** About `count` round values from `min` to `max`; with `whole`, for things that are counted, only whole ones. */
export function linearTicks(min: number, max: number, count: number, { whole = false }: { readonly whole?: boolean } = {}): number[] {
  if (!(max > min)) return [min];
  const raw = (max - min) / count;
  const magnitude = whole ? Math.max(1, 10 ** Math.floor(Math.log10(raw))) : 10 ** Math.floor(Math.log10(raw));
  const fits = (candidate: number): boolean => candidate * magnitude >= raw && (!whole || Number.isInteger(candidate * magnitude));
  const step = (STEPS.find(fits) ?? 10) * magnitude;
  const ticks: number[] = [];
  // The tolerance keeps a tick that rounding pushed just past the end.
  for (let i = Math.ceil(min / step - 1e-9); i * step <= max + step * 1e-9; i++) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

/** 1, 2 and 5 times powers of ten between `min` and `max` (both above 0); linear ticks where the range holds too few of them. */
export function logTicks(min: number, max: number): number[] {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power++) {
    for (const factor of [1, 2, 5]) {
      const tick = Number((factor * 10 ** power).toPrecision(12));
      if (tick >= min && tick <= max) ticks.push(tick);
    }
  }
  return ticks.length >= 3 ? ticks : linearTicks(min, max, 4);
}

const ROUND_ENDS = [1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

/** The next round number at or above `value`, so that an axis grows seldom and in steps: a moving axis is the dearest thing to redraw. */
export function roundEnd(value: number): number {
  if (!(value > 0)) return 1;
  const magnitude = 10 ** Math.floor(Math.log10(value));
  // The tolerance keeps a value that already is round where it is.
  return Number(((ROUND_ENDS.find((end) => end * magnitude >= value * (1 - 1e-9)) ?? 10) * magnitude).toPrecision(12));
}

/** Steps per decade to which a logarithmic domain is rounded outwards. */
const LOG_STEPS = 12;

/**
 * A domain around `values`, rounded outwards so that it changes seldom; positive throughout when `log`. Undefined when there is no
 * finite value.
 */
export function roundDomain(values: Iterable<number>, log: boolean): readonly [number, number] | undefined {
  let min = Infinity;
  let max = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  if (min > max) return undefined;
  if (log && min > 0) {
    return [10 ** (Math.floor(Math.log10(min) * LOG_STEPS - 0.1) / LOG_STEPS), 10 ** (Math.ceil(Math.log10(max) * LOG_STEPS + 0.1) / LOG_STEPS)];
  }
  if (min >= 0 && min < 0.7 * max) return [0, roundEnd(max * 1.02)];
  const air = (max - min) * 0.06 || Math.abs(max) * 0.1 || 1;
  const step = roundEnd((max - min + 2 * air) / 10);
  return [Math.floor((min - air) / step) * step, Math.ceil((max + air) / step) * step];
}
