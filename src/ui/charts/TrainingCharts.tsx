// The charts of a run with their controls. Each redraws at its own pace, so that no two redraw in the same task.
import { memo, Suspense, useMemo, useState, type ReactNode } from 'react';
import type { MetricsStore, MetricsState } from '../../stores/metricsStore.ts';
import { Segmented } from '../components/Segmented.tsx';
import { LiveText } from '../live/LiveText.tsx';
import { useThrottledRevision, type RedrawPace } from '../live/useThrottledRevision.ts';
import { useVisible } from '../live/useVisible.ts';
import { useStudio } from '../StudioContext.ts';
import { roundEnd } from './axis.ts';
import { perplexityRows, TRAINING_ROWS, valueRows, type XAxisKind } from './chartRows.ts';
import styles from './Charts.module.css';
import { LazyPerplexityChart, LazySmallChart } from './lazyCharts.ts';

/** Unequal, so that the charts do not redraw together, neither after one event nor after many. */
const REDRAW = {
  perplexity: { interval: 1000, delay: 30 },
  gradientNorm: { interval: 1700, delay: 130 },
  learningRate: { interval: 2300, delay: 230 },
} as const satisfies Record<string, RedrawPace>;

const X_OPTIONS: readonly { readonly value: XAxisKind; readonly label: string }[] = [
  { value: 'step', label: 'Steps' },
  { value: 'tokens', label: 'Tokens' },
  { value: 'seconds', label: 'Time' },
];

/** Where the horizontal axis ends before there is anything to draw. */
const FIRST_END: Readonly<Record<XAxisKind, number>> = { step: 20, tokens: 10_000, seconds: 10 };

const STRONGEST_SMOOTHING = 0.99;

interface References {
  slm?: number;
  projected?: number;
  steps: number;
}

function LegendLine({ children, color, dash, width = 2.5 }: { children: ReactNode; color: string; dash?: string; width?: number }) {
  return (
    <span>
      <svg viewBox="0 0 24 8" aria-hidden="true"><path d="M1 4h22" stroke={color} strokeWidth={width} strokeDasharray={dash} strokeLinecap="round" /></svg>
      {children}
    </span>
  );
}

interface MainChartProps extends References {
  metrics: MetricsStore;
  xAxis: XAxisKind;
  log: boolean;
  smoothing: number;
}

const MainChart = memo(function MainChart({ metrics, xAxis, log, smoothing, slm, projected, steps }: MainChartProps) {
  const [element, visible] = useVisible<HTMLDivElement>();
  const revision = useThrottledRevision(metrics, REDRAW.perplexity, visible);
  // The series change in place: the revision stands for their content.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const rows = useMemo(() => perplexityRows(metrics.getState().series, xAxis, smoothing), [metrics, revision, xAxis, smoothing]);
  // The axis grows with the run, in steps; were it as long as the run may become, an early stop would leave it mostly empty.
  const grown = roundEnd(rows.at(-1)?.x || FIRST_END[xAxis]);
  const xEnd = xAxis === 'step' ? Math.min(steps, grown) : grown;
  const [readable, setReadable] = useState(false);
  return (
    <div
      ref={element} className={styles.main} role="img"
      onPointerEnter={() => setReadable(true)} onPointerLeave={() => setReadable(false)}
      aria-label="Training and validation perplexity over the run" data-testid="perplexity-chart"
    >
      <Suspense fallback={null}>
        <LazyPerplexityChart rows={rows} xAxis={xAxis} log={log} slm={slm} projected={projected} xEnd={xEnd} readable={readable} />
      </Suspense>
    </div>
  );
});

interface SeriesChartProps {
  metrics: MetricsStore;
  name: 'gradientNorm' | 'learningRate';
  title: string;
  xAxis: XAxisKind;
  read(state: MetricsState): string;
}

const SeriesChart = memo(function SeriesChart({ metrics, name, title, xAxis, read }: SeriesChartProps) {
  const [element, visible] = useVisible<HTMLDivElement>();
  const revision = useThrottledRevision(metrics, REDRAW[name], visible);
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const rows = useMemo(() => valueRows(metrics.getState().series[name].points(TRAINING_ROWS), xAxis), [metrics, name, revision, xAxis]);
  return (
    <div ref={element}>
      <div className={styles.smallTitle}><span>{title}</span><LiveText read={read} testId={name} /></div>
      <div className={styles.small} role="img" aria-label={`${title} over the run`}>
        <Suspense fallback={null}><LazySmallChart rows={rows} xEnd={roundEnd(rows.at(-1)?.x || FIRST_END[xAxis])} /></Suspense>
      </div>
    </div>
  );
});

const readGradientNorm = ({ latest }: MetricsState): string => {
  if (!latest) return '';
  return Number.isFinite(latest.gradientNorm) ? latest.gradientNorm.toPrecision(3) : 'step skipped';
};
const readLearningRate = ({ latest }: MetricsState): string => (latest ? String(Number(latest.learningRate.toPrecision(3))) : '');

export function TrainingCharts({ slm, projected, steps }: References) {
  const { metrics } = useStudio();
  const [xAxis, setXAxis] = useState<XAxisKind>('step');
  const [log, setLog] = useState(true);
  const [smoothing, setSmoothing] = useState(0.8);
  return (
    <>
      <div className={styles.toolbar}>
        <h3>Perplexity</h3>
        <label className={styles.slider}>
          Smoothing
          <input type="range" min={0} max={STRONGEST_SMOOTHING} step={0.01} value={smoothing} onChange={(event) => setSmoothing(Number(event.target.value))} data-testid="chart-smoothing" />
        </label>
        <label className={styles.check}>
          <input type="checkbox" checked={log} onChange={(event) => setLog(event.target.checked)} data-testid="chart-log" />
          Log scale
        </label>
        <Segmented label="Horizontal axis" value={xAxis} options={X_OPTIONS} onChange={setXAxis} testId="chart-x" />
      </div>
      <MainChart metrics={metrics} xAxis={xAxis} log={log} smoothing={smoothing} slm={slm} projected={projected} steps={steps} />
      <div className={styles.legend}>
        <LegendLine color="var(--accent)">Validation</LegendLine>
        <LegendLine color="var(--ink-3)" width={2}>Training, smoothed</LegendLine>
        <LegendLine color="var(--neutral-bar)" width={6}>Training, each step</LegendLine>
        <LegendLine color="var(--accent)" dash="0.1 5">Projected start</LegendLine>
        <LegendLine color="var(--ink-2)" dash="5 5" width={1.5}>Plain small model</LegendLine>
      </div>
      <div className={styles.smallCharts}>
        <SeriesChart metrics={metrics} name="gradientNorm" title="Gradient norm" xAxis={xAxis} read={readGradientNorm} />
        <SeriesChart metrics={metrics} name="learningRate" title="Learning rate" xAxis={xAxis} read={readLearningRate} />
      </div>
    </>
  );
}
