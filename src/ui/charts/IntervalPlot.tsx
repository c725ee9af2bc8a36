// A 95% interval as a line with the value as a dot, on a scale shared by all rows of a table.
import { formatPerplexity } from '../../core/format.ts';

interface IntervalPlotProps {
  value: number;
  interval: readonly [number, number];
  /** The scale's ends, logarithmic between them. */
  domain: readonly [number, number];
  color: string;
}

export function IntervalPlot({ value, interval, domain, color }: IntervalPlotProps) {
  const [low, high] = domain.map(Math.log);
  const at = (x: number): string => `${(high > low ? (Math.log(x) - low) / (high - low) : 0.5) * 100}%`;
  return (
    <svg role="img" aria-label={`95% interval from ${formatPerplexity(interval[0])} to ${formatPerplexity(interval[1])}`}>
      <line x1="0" x2="100%" y1="9" y2="9" stroke="var(--line)" strokeWidth="1" />
      <line x1={at(interval[0])} x2={at(interval[1])} y1="9" y2="9" stroke={color} strokeWidth="4" strokeLinecap="round" opacity="0.4" />
      <circle cx={at(value)} cy="9" r="5" fill={color} />
    </svg>
  );
}
