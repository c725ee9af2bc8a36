// What the compared runs tell beside their figures: how each began, how generic text was resampled, what to beware of, and what each model writes.
import type { RunNotes, RunRecord } from '../../config/runRecord.ts';
import { formatCount, formatPercent } from '../../core/format.ts';
import { useStore } from 'zustand';
import { Disclosure } from '../components/Disclosure.tsx';
import { Notice } from '../components/Notice.tsx';
import { useStudio } from '../StudioContext.ts';
import styles from './Compare.module.css';
import { repeatsSentence } from './repeats.ts';

/** Shares per cluster of the generic text as it is, of the user's text, and as it was drawn. */
function Resampling({ notes: { histogram, histogramBefore, histogramAfter, repeats } }: { notes: RunNotes }) {
  const clusters = useStore(useStudio().pack, (state) => state.pack?.clusters);
  if (!histogram || !histogramBefore || !histogramAfter) return null;
  const rows = histogram.map((share, index) => ({ index, share, before: histogramBefore[index], after: histogramAfter[index] })).sort((a, b) => b.share - a.share);
  return (
    <>
      {repeats && <p>{repeatsSentence(repeats)}</p>}
      <div className={styles.scroll} tabIndex={0} role="region" aria-label="Clusters of the resampled text">
        <table className={styles.table} data-testid="run-resampling">
          <thead><tr><th scope="col">Cluster</th><th scope="col">Generic text</th><th scope="col">Your text</th><th scope="col">As drawn</th></tr></thead>
          <tbody>
            {rows.map(({ index, share, before, after }) => (
              <tr key={index}><th scope="row">{clusters?.[index]?.label ?? index}</th><td>{formatPercent(before)}</td><td>{formatPercent(share)}</td><td className={styles.after}>{formatPercent(after)}</td></tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Notes({ run }: { run: RunRecord }) {
  const { expert } = run.notes;
  const isResampled = run.notes.histogramAfter !== undefined;
  if (!expert && !isResampled) return null;
  return (
    <Disclosure title={isResampled ? `${run.name}: generic text resampled to look like yours` : `${run.name}: its expert`} testId="run-notes">
      {expert && <p>{expert.explanation}</p>}
      <Resampling notes={run.notes} />
    </Disclosure>
  );
}

function Samples({ runs }: { runs: readonly RunRecord[] }) {
  const spoken = runs.flatMap(({ runId, name, samples }) => samples.slice(0, 1).map((sample) => ({ runId, name, ...sample })));
  if (spoken.length === 0) return null;
  return (
    <Disclosure title={`What ${spoken.length === 1 ? 'the model writes' : `the ${formatCount(spoken.length)} models write`}`} testId="run-samples">
      <dl className={styles.samples}>
        {spoken.map(({ runId, name, prompt, text }) => <div key={runId}><dt>{name}</dt><dd><b>{prompt}</b>{text}</dd></div>)}
      </dl>
      <p className={styles.note}>Each model completes the beginning of a test document, in bold, from the same seed.</p>
    </Disclosure>
  );
}

export function RunNotesView({ runs }: { runs: readonly RunRecord[] }) {
  return (
    <>
      {runs.map(({ runId, name, notes }) => notes.warning && <Notice key={runId} kind="caution">{name}: {notes.warning}</Notice>)}
      {runs.map((run) => <Notes key={run.runId} run={run} />)}
      <Samples runs={runs} />
    </>
  );
}
