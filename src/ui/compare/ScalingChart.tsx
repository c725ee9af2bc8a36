// Test perplexity over training tokens, both axes logarithmic: measured points with their intervals, and the line as it would go on, dashed within its band.
// Loaded on demand like the other charts.
import { memo, useMemo } from 'react';
import { Area, CartesianGrid, ComposedChart, ErrorBar, Line, ResponsiveContainer, XAxis, YAxis } from 'recharts';
import type { Extrapolation, ScalingPoint } from '../../comparison/dataScaling.ts';
import { formatCount } from '../../core/format.ts';
import { logTicks, roundDomain } from '../charts/axis.ts';

const MARGIN = { top: 8, right: 16, bottom: 4, left: 0 } as const;
const TICK = { fill: 'var(--ink-3)', fontSize: 12 } as const;
const X_LINE = { stroke: 'var(--line-strong)' } as const;
const DOT = { r: 4, fill: 'var(--accent)', stroke: 'var(--surface)' } as const;
const yTick = (value: number): string => (value < 10 ? String(Number(value.toPrecision(3))) : formatCount(value));

interface ScalingRow {
  readonly tokens: number;
  readonly measured?: number;
  /** Below and above `measured`. */
  readonly error?: readonly [number, number];
  readonly expected?: number;
  readonly band?: readonly [number, number];
}

function rowsOf(points: readonly ScalingPoint[], extrapolated: readonly Extrapolation[]): ScalingRow[] {
  return [
    ...points.map(({ tokens, perplexity, interval }) => ({ tokens, measured: perplexity, error: [perplexity - interval[0], interval[1] - perplexity] as const })),
    ...extrapolated.map(({ tokens, perplexity, interval }) => ({ tokens, expected: perplexity, band: interval })),
  ];
}

export const ScalingChart = memo(function ScalingChart({ points, extrapolated }: { points: readonly ScalingPoint[]; extrapolated: readonly Extrapolation[] }) {
  const rows = useMemo(() => rowsOf(points, extrapolated), [points, extrapolated]);
  const [yLow, yHigh] = roundDomain([...points, ...extrapolated].flatMap(({ interval }) => [...interval]), true) ?? [1, 10];
  const [xLow, xHigh] = roundDomain(rows.map(({ tokens }) => tokens), true) ?? [1, 10];
  return (
    <ResponsiveContainer width="100%" height="100%" debounce={120}>
      <ComposedChart data={rows} margin={MARGIN} accessibilityLayer={false}>
        <CartesianGrid vertical={false} stroke="var(--line)" />
        <XAxis dataKey="tokens" type="number" scale="log" domain={[xLow, xHigh]} ticks={logTicks(xLow, xHigh)} tickFormatter={formatCount} tickLine={false} axisLine={X_LINE} tick={TICK} minTickGap={24} />
        <YAxis type="number" scale="log" domain={[yLow, yHigh]} ticks={logTicks(yLow, yHigh)} allowDataOverflow width={52} interval={0} tickFormatter={yTick} tickLine={false} axisLine={false} tick={TICK} />
        <Area dataKey="band" isAnimationActive={false} connectNulls stroke="none" fill="var(--accent)" fillOpacity={0.14} activeDot={false} />
        <Line dataKey="expected" isAnimationActive={false} connectNulls dot={false} activeDot={false} stroke="var(--accent)" strokeWidth={2} strokeDasharray="6 5" />
        <Line dataKey="measured" isAnimationActive={false} connectNulls dot={DOT} activeDot={false} stroke="var(--accent)" strokeWidth={2.5}>
          <ErrorBar dataKey="error" direction="y" width={6} stroke="var(--accent)" strokeWidth={1.5} />
        </Line>
      </ComposedChart>
    </ResponsiveContainer>
  );
});
