// Step 8: every method of the paper on the user's own text, side by side.
import { Suspense, useEffect, useMemo, useRef, useState } from 'react';
import { useStore } from 'zustand';
import { isActiveRun } from '../../stores/comparisonStore.ts';
import { LazyCompareChart } from '../charts/lazyCharts.ts';
import { downloadFile } from '../commands/downloadFile.ts';
import { Button } from '../components/Button.tsx';
import { Notice } from '../components/Notice.tsx';
import { Card, Section } from '../components/Section.tsx';
import { Segmented } from '../components/Segmented.tsx';
import { MemoryOfferButton } from '../memory/MemoryOfferButton.tsx';
import { useStudio } from '../StudioContext.ts';
import { useWaitsFor } from '../useStepFacts.ts';
import styles from './Compare.module.css';
import { curveLines, type CurveAxis } from './curves.ts';
import { DataScalingCard } from './DataScalingCard.tsx';
import { MethodTableView } from './MethodTableView.tsx';
import { RaceSettings } from './RaceSettings.tsx';
import { RunList } from './RunList.tsx';
import { RunNotesView } from './RunNotesView.tsx';
import { SettingsDifference } from './SettingsDifference.tsx';

const AXES: readonly { readonly value: CurveAxis; readonly label: string }[] = [
  { value: 'tokens', label: 'Tokens' }, { value: 'step', label: 'Steps' }, { value: 'seconds', label: 'Time' }, { value: 'flops', label: 'FLOPs' },
];

function Compared() {
  const { comparison } = useStudio();
  const runs = useStore(comparison, (state) => state.runs);
  const compared = useStore(comparison, (state) => state.compared);
  const [axis, setAxis] = useState<CurveAxis>('tokens');
  const shown = useMemo(() => (runs ?? []).filter(({ runId }) => compared.has(runId)).reverse(), [runs, compared]);
  const lines = useMemo(() => curveLines(shown, axis), [shown, axis]);
  if (shown.length === 0) return null;
  return (
    <Card title="Validation perplexity" testId="race-card">
      <div className={styles.axis}><Segmented label="Horizontal axis" value={axis} options={AXES} testId="race-axis" onChange={setAxis} /></div>
      <ul className={styles.legend}>{lines.map(({ runId, name, color }) => <li key={runId}><span style={{ background: color }} aria-hidden="true" />{name}</li>)}</ul>
      <div className={styles.chart} role="img" aria-label={`Validation perplexity of ${lines.map(({ name }) => name).join(', ')}; the table below has the figures`} data-testid="race-chart">
        <Suspense fallback={null}><LazyCompareChart lines={lines} axis={axis} /></Suspense>
      </div>
      <MethodTableView runs={shown} />
      <RunNotesView runs={shown} />
      {shown.length === 2 && <SettingsDifference a={shown[0]} b={shown[1]} />}
    </Card>
  );
}

/** Hands a run's file over as soon as the engine has made it. */
function useDownloads(): void {
  const exported = useStore(useStudio().comparison, (state) => state.exported);
  useEffect(() => {
    if (exported) downloadFile(exported.file, exported.fileName);
  }, [exported]);
}

export function ComparePanel() {
  const { comparison } = useStudio();
  const runs = useStore(comparison, (state) => state.runs);
  const error = useStore(comparison, (state) => state.error);
  const refused = useStore(comparison, (state) => state.refused);
  const { acceptOffer } = comparison.getState();
  const importRun = useStore(comparison, (state) => state.importRun);
  const picker = useRef<HTMLInputElement>(null);
  useDownloads();
  return (
    <Section step="compare" title="Compare methods" lead="The paper’s question for your own text: which way to a small specialized model is best here, and what does each cost?" waitsFor={useWaitsFor('compare')}>
      <Card title="Race"><RaceSettings busy={runs?.some(isActiveRun) ?? false} /></Card>
      {error && (
        <Notice kind="error" testId="compare-error">
          {error}
          {refused?.offer && <MemoryOfferButton offer={refused.offer} testId="race-accept-offer" onAccept={acceptOffer} />}
        </Notice>
      )}
      <Compared />
      <DataScalingCard />
      <Card title="Your runs">
        {runs && runs.length > 0 ? <RunList runs={runs} /> : <p className={styles.note}>No runs yet. They are kept in this browser and survive a reload.</p>}
        <input ref={picker} type="file" accept=".zip" hidden data-testid="run-import" onChange={(event) => {
          const file = event.target.files?.[0];
          event.target.value = '';
          if (file) importRun(file, file.name);
        }} />
        <Button kind="quiet" onClick={() => picker.current?.click()}>Import a run…</Button>
      </Card>
    </Section>
  );
}
