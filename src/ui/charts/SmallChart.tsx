// One series, small: gradient norm or learning rate. Loaded on demand and sparing with new objects, like PerplexityChart.
import { memo, useMemo } from 'react';
import { Line, LineChart, ResponsiveContainer, XAxis, YAxis } from 'recharts';
import { linearTicks, roundDomain } from './axis.ts';
import type { ValueRow } from './chartRows.ts';

const MARGIN = { top: 6, right: 8, bottom: 6, left: 0 } as const;
const TICK = { fill: 'var(--ink-3)', fontSize: 12 } as const;
const yTick = (value: number): string =>
  value !== 0 && Math.abs(value) < 0.01 ? value.toExponential().replace(/(\.\d)\d+/, '$1') : String(Number(value.toPrecision(3)));

export const SmallChart = memo(function SmallChart({ rows, xEnd }: { rows: readonly ValueRow[]; xEnd: number }) {
  const [low, high] = roundDomain(rows.map((row) => row.value), false) ?? [0, 1];
  const xDomain = useMemo(() => [0, xEnd], [xEnd]);
  const yDomain = useMemo(() => [low, high], [low, high]);
  const yTicks = useMemo(() => linearTicks(low, high, 3), [low, high]);
  return (
    <ResponsiveContainer width="100%" height="100%" debounce={120}>
      <LineChart data={rows as ValueRow[]} margin={MARGIN} accessibilityLayer={false}>
        <XAxis dataKey="x" type="number" domain={xDomain} hide />
        <YAxis type="number" domain={yDomain} ticks={yTicks} allowDataOverflow width={52} interval={0} tickFormatter={yTick} tickLine={false} axisLine={false} tick={TICK} />
        <Line dataKey="value" isAnimationActive={false} dot={false} activeDot={false} stroke="var(--ink-3)" strokeWidth={1.5} />
      </LineChart>
    </ResponsiveContainer>
  );
});
