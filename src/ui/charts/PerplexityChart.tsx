// Training and validation perplexity with the plain small model and the projected start as reference lines. Loaded on demand (recharts
// is large). Redrawn while training, so: no animation, no dots, and every prop that did not change keeps its identity, because recharts takes a
// new object for a new setting and computes its axes anew.
import { memo, useMemo } from 'react';
import { Area, CartesianGrid, ComposedChart, Line, ReferenceLine, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts';
import { formatCount, formatPerplexity, formatSeconds } from '../../core/format.ts';
import { linearTicks, logTicks, roundDomain } from './axis.ts';
import type { PerplexityRow, XAxisKind } from './chartRows.ts';
import styles from './Charts.module.css';

export interface PerplexityChartProps {
  rows: readonly PerplexityRow[];
  xAxis: XAxisKind;
  log: boolean;
  slm?: number;
  projected?: number;
  /** x up to which the axis reaches before there is more. */
  xEnd: number;
  /** Whether a pointer is over the chart: only then is there a reading under it to compute. */
  readable: boolean;
}

const X_WORDS: Readonly<Record<XAxisKind, (x: number) => string>> = {
  step: (x) => `Step ${formatCount(x)}`,
  tokens: (x) => `${formatCount(x)} tokens`,
  seconds: (x) => formatSeconds(x),
};
const X_TICK: Readonly<Record<XAxisKind, (x: number) => string>> = { step: formatCount, tokens: formatCount, seconds: formatSeconds };

function PointReading({ active, payload, xAxis }: { active?: boolean; payload?: readonly { payload?: PerplexityRow }[]; xAxis: XAxisKind }) {
  const row = payload?.find((entry) => entry.payload)?.payload;
  if (!active || !row) return null;
  return (
    <div className={styles.reading}>
      <strong>{X_WORDS[xAxis](row.x)}</strong>
      {row.validation !== undefined && <span>Validation {formatPerplexity(row.validation)}</span>}
      {row.smooth !== undefined && <span>Training, smoothed {formatPerplexity(row.smooth)}</span>}
      {row.range && <span>Training {row.range[0] === row.range[1] ? formatPerplexity(row.range[0]) : `${formatPerplexity(row.range[0])} to ${formatPerplexity(row.range[1])}`}</span>}
    </div>
  );
}

function* valuesOf(rows: readonly PerplexityRow[], ...more: (number | undefined)[]): Generator<number> {
  for (const { range, smooth, validation } of rows) {
    if (range) yield* range;
    if (smooth !== undefined) yield smooth;
    if (validation !== undefined) yield validation;
  }
  for (const value of more) if (value !== undefined) yield value;
}

const MARGIN = { top: 8, right: 12, bottom: 4, left: 0 } as const;
const TICK = { fill: 'var(--ink-3)', fontSize: 12 } as const;
const X_LINE = { stroke: 'var(--line-strong)' } as const;
const ACTIVE_DOT = { r: 4, fill: 'var(--accent)', stroke: 'var(--surface)' } as const;
const yTick = (value: number): string => (value < 10 ? String(Number(value.toPrecision(3))) : formatCount(value));

export const PerplexityChart = memo(function PerplexityChart({ rows, xAxis, log, slm, projected, xEnd, readable }: PerplexityChartProps) {
  const [low, high] = roundDomain(valuesOf(rows, slm, projected), log) ?? [1, 10];
  const xDomain = useMemo(() => [0, xEnd], [xEnd]);
  const xTicks = useMemo(() => linearTicks(0, xEnd, 6, { whole: xAxis !== 'seconds' }), [xEnd, xAxis]);
  const yDomain = useMemo(() => [low, high], [low, high]);
  const yTicks = useMemo(() => (log ? logTicks(low, high) : linearTicks(low, high, 5)), [log, low, high]);
  const reading = useMemo(() => <PointReading xAxis={xAxis} />, [xAxis]);
  return (
    <ResponsiveContainer width="100%" height="100%" debounce={120}>
      <ComposedChart data={rows as PerplexityRow[]} margin={MARGIN} accessibilityLayer={false}>
        <CartesianGrid vertical={false} stroke="var(--line)" />
        <XAxis
          dataKey="x" type="number" domain={xDomain} ticks={xTicks} tickFormatter={X_TICK[xAxis]} interval="preserveEnd"
          tickLine={false} axisLine={X_LINE} tick={TICK} minTickGap={24}
        />
        <YAxis
          type="number" scale={log ? 'log' : 'linear'} domain={yDomain} ticks={yTicks} allowDataOverflow width={52} interval={0}
          tickFormatter={yTick} tickLine={false} axisLine={false} tick={TICK}
        />
        {readable && <Tooltip isAnimationActive={false} content={reading} cursor={X_LINE} />}
        <Area dataKey="range" isAnimationActive={false} connectNulls stroke="var(--neutral-bar)" strokeOpacity={0.55} strokeWidth={1} fill="var(--neutral-bar)" fillOpacity={0.28} activeDot={false} />
        {slm !== undefined && <ReferenceLine y={slm} stroke="var(--ink-2)" strokeDasharray="6 5" strokeWidth={1.25} />}
        {projected !== undefined && <ReferenceLine y={projected} stroke="var(--accent)" strokeDasharray="1.500 4" strokeLinecap="round" strokeWidth={2} />}
        <Line dataKey="smooth" isAnimationActive={false} connectNulls dot={false} activeDot={false} stroke="var(--ink-3)" strokeWidth={1.75} />
        <Line dataKey="validation" isAnimationActive={false} connectNulls dot={false} activeDot={ACTIVE_DOT} stroke="var(--accent)" strokeWidth={2.75} strokeLinecap="round" strokeLinejoin="round" />
      </ComposedChart>
    </ResponsiveContainer>
  );
});
