// Validation perplexity of several runs on one chart. Loaded on demand like the other charts, and as sparing with new objects.
import { memo, useMemo } from 'react';
import { CartesianGrid, Line, LineChart, ResponsiveContainer, XAxis, YAxis } from 'recharts';
import { formatCount, formatSeconds } from '../../core/format.ts';
import { linearTicks, logTicks, roundDomain, roundEnd } from '../charts/axis.ts';
import type { CurveAxis, CurveLine } from './curves.ts';

const MARGIN = { top: 8, right: 12, bottom: 4, left: 0 } as const;
const TICK = { fill: 'var(--ink-3)', fontSize: 12 } as const;
const X_LINE = { stroke: 'var(--line-strong)' } as const;
const X_TICK: Readonly<Record<CurveAxis, (x: number) => string>> = { step: formatCount, tokens: formatCount, seconds: formatSeconds, flops: (x) => x.toExponential(1) };
const yTick = (value: number): string => (value < 10 ? String(Number(value.toPrecision(3))) : formatCount(value));

export const CompareChart = memo(function CompareChart({ lines, axis }: { lines: readonly CurveLine[]; axis: CurveAxis }) {
  const points = lines.flatMap((line) => line.points);
  const [low, high] = roundDomain(points.map(({ perplexity }) => perplexity), true) ?? [1, 10];
  // Before the first step there is nothing but the start; an axis without length would label it many times.
  const end = roundEnd(Math.max(...points.map(({ x }) => x)));
  const xDomain = useMemo(() => [0, end], [end]);
  const xTicks = useMemo(() => linearTicks(0, end, 6), [end]);
  const yDomain = useMemo(() => [low, high], [low, high]);
  const yTicks = useMemo(() => logTicks(low, high), [low, high]);
  return (
    <ResponsiveContainer width="100%" height="100%" debounce={120}>
      <LineChart margin={MARGIN} accessibilityLayer={false}>
        <CartesianGrid vertical={false} stroke="var(--line)" />
        <XAxis dataKey="x" type="number" domain={xDomain} ticks={xTicks} tickFormatter={X_TICK[axis]} interval="preserveEnd" tickLine={false} axisLine={X_LINE} tick={TICK} minTickGap={24} />
        <YAxis type="number" scale="log" domain={yDomain} ticks={yTicks} allowDataOverflow width={52} interval={0} tickFormatter={yTick} tickLine={false} axisLine={false} tick={TICK} />
        {lines.map(({ runId, points: data, color }) => (
          <Line key={runId} data={data as { x: number; perplexity: number }[]} dataKey="perplexity" isAnimationActive={false} dot={{ r: 2, fill: color, stroke: color }} activeDot={false} stroke={color} strokeWidth={2.25} strokeLinejoin="round" />
        ))}
      </LineChart>
    </ResponsiveContainer>
  );
});
