// How much data do I need? One method on nested parts of the text, perplexity over tokens, and how it would go on.
import { Suspense, useMemo, useState } from 'react';
import { useStore } from 'zustand';
import { dataScaling, newestStudy, type DataScaling } from '../../comparison/dataScaling.ts';
import { lackingPart, METHOD_NAMES, type MethodName } from '../../config/method.ts';
import { formatCount, formatPercent, formatPerplexityInterval } from '../../core/format.ts';
import { isActiveRun } from '../../stores/comparisonStore.ts';
import { LazyScalingChart } from '../charts/lazyCharts.ts';
import { Button } from '../components/Button.tsx';
import { SelectField } from '../components/Field.tsx';
import { Card } from '../components/Section.tsx';
import { useStudio } from '../StudioContext.ts';
import styles from './Compare.module.css';

/** Numbers of amounts, each half of the next. */
const AMOUNTS = [3, 4, 5] as const;
const sharesOf = (amounts: number): number[] => Array.from({ length: amounts }, (_, i) => 2 ** (i + 1 - amounts));
const AMOUNT_OPTIONS = AMOUNTS.map((amounts) => ({ value: String(amounts), label: `${amounts} amounts, from ${formatPercent(sharesOf(amounts)[0])} to all of it` }));

function ScalingSettings() {
  const { comparison, runs: runsStore, pack: packStore, dataset, device } = useStudio();
  const { choices, runs, startScaling } = useStore(comparison);
  const { steps, patience } = useStore(runsStore, (state) => state.config);
  const pack = useStore(packStore, (state) => state.pack);
  const canTrain = useStore(device, (state) => state.status === 'ready');
  const hasText = useStore(dataset, (state) => state.summary !== undefined);
  const [method, setMethod] = useState<MethodName>('SLM-pn');
  const [amounts, setAmounts] = useState(String(AMOUNTS[1]));
  const offered = METHOD_NAMES.filter((name) => !(pack && lackingPart(choices[name], pack.optional)));
  const isBusy = runs?.some(isActiveRun) ?? false;
  return (
    <>
      <p className={styles.note}>
        The same method on nested parts of your training text, tested on the same documents. Settings are those of step 4: at most {formatCount(steps)} steps for each
        amount{patience > 0 ? ', fewer where validation stops improving' : ''}.
      </p>
      <div className={styles.budget}>
        <SelectField label="Method" value={method} options={offered.map((value) => ({ value, label: value }))} disabled={isBusy} testId="scaling-method" onChange={(value) => setMethod(value as MethodName)} />
        <SelectField label="Amounts of text" value={amounts} options={AMOUNT_OPTIONS} disabled={isBusy} testId="scaling-amounts" onChange={setAmounts} />
        <div className={styles.besideFields}>
          <Button testId="scaling-start" disabled={isBusy || !canTrain || !pack || !hasText} onClick={() => startScaling(method, sharesOf(Number(amounts)))}>Train on each amount</Button>
        </div>
      </div>
    </>
  );
}

function ScalingTable({ scaling: { points, extrapolated } }: { scaling: DataScaling }) {
  return (
    <div className={styles.scroll} tabIndex={0} role="region" aria-label="Amounts of text compared">
      <table className={styles.table} data-testid="scaling-table">
        <caption className="visually-hidden">Perplexity on the test documents after training on each amount of text, with 95% bootstrap intervals over documents</caption>
        <thead><tr><th scope="col">Training text</th><th scope="col">Tokens</th><th scope="col">Test perplexity</th></tr></thead>
        <tbody>
          {points.map((point) => (
            <tr key={point.runId}><th scope="row">{formatPercent(point.share)}</th><td>{formatCount(point.tokens)}</td><td className={styles.after}>{formatPerplexityInterval(point)}</td></tr>
          ))}
          {extrapolated.slice(1).map((beyond) => (
            <tr key={beyond.tokens} className={styles.extrapolated}><th scope="row">Extrapolated</th><td>{formatCount(beyond.tokens)}</td><td>{formatPerplexityInterval(beyond)}</td></tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function DataScalingCard() {
  const runs = useStore(useStudio().comparison, (state) => state.runs);
  const study = useMemo(() => newestStudy(runs ?? []), [runs]);
  const scaling = useMemo(() => dataScaling(study), [study]);
  const { points, extrapolated, conclusion } = scaling;
  return (
    <Card title="How much data do I need?" testId="scaling-card">
      <ScalingSettings />
      {points.length > 0 && (
        <>
          <ul className={styles.legend}>
            <li><span style={{ background: 'var(--accent)' }} aria-hidden="true" />{study[0].method.method} on your text, measured, with 95% intervals</li>
            {extrapolated.length > 0 && <li><span className={styles.dashed} aria-hidden="true" />Extrapolated</li>}
          </ul>
          <div className={styles.chart} role="img" aria-label={`Test perplexity over training tokens: ${points.map(({ tokens, perplexity }) => `${formatCount(tokens)} tokens, ${perplexity.toFixed(1)}`).join('; ')}`} data-testid="scaling-chart">
            <Suspense fallback={null}><LazyScalingChart points={points} extrapolated={extrapolated} /></Suspense>
          </div>
          <p className={styles.conclusion} data-testid="scaling-conclusion">{conclusion}</p>
          <ScalingTable scaling={scaling} />
        </>
      )}
    </Card>
  );
}
