// The runs kept in this browser: what each is, what may be done with it, and which are on the chart.
import { useState } from 'react';
import { useStore } from 'zustand';
import type { RunRecord, RunState } from '../../config/runRecord.ts';
import { formatBytes, formatCount, formatPerplexity } from '../../core/format.ts';
import { isActiveRun } from '../../stores/comparisonStore.ts';
import { Button } from '../components/Button.tsx';
import { useStudio } from '../StudioContext.ts';
import styles from './Compare.module.css';

const STATE_WORDS: Readonly<Record<RunState, string>> = { running: 'Running', paused: 'Paused', interrupted: 'Interrupted', finished: 'Finished', failed: 'Failed' };

function Name({ run }: { run: RunRecord }) {
  const rename = useStore(useStudio().comparison, (state) => state.rename);
  const [typed, setTyped] = useState<string>();
  const done = (): void => {
    if (typed !== undefined && typed.trim() !== '' && typed !== run.name) rename(run.runId, typed);
    setTyped(undefined);
  };
  if (typed === undefined) return <button type="button" className={styles.name} title="Rename" onClick={() => setTyped(run.name)}>{run.name}</button>;
  return (
    <input
      className={styles.nameInput} aria-label="Name of the run" value={typed} maxLength={200} autoFocus onBlur={done}
      onChange={(event) => setTyped(event.target.value)}
      onKeyDown={(event) => {
        if (event.key === 'Enter') done();
        if (event.key === 'Escape') setTyped(undefined);
      }}
    />
  );
}

function Actions({ run, canRepeat }: { run: RunRecord; canRepeat: boolean }) {
  const { takeUp, repeat, pause, resume, stop, remove, exportRun } = useStore(useStudio().comparison);
  const { runId, state } = run;
  return (
    <span className={styles.actions}>
      {state === 'running' && <Button kind="quiet" onClick={() => pause([runId])}>Pause</Button>}
      {state === 'paused' && <Button kind="quiet" onClick={() => resume([runId])}>Resume</Button>}
      {isActiveRun(run) && <Button kind="quiet" testId="run-stop" onClick={() => stop([runId])}>Stop</Button>}
      {(state === 'interrupted' || state === 'failed') && <Button kind="quiet" testId="run-take-up" onClick={() => takeUp([runId])}>Continue</Button>}
      {!isActiveRun(run) && canRepeat && <Button kind="quiet" onClick={() => repeat(runId)}>Repeat</Button>}
      {!isActiveRun(run) && <Button kind="quiet" testId="run-export" onClick={() => exportRun(runId)}>Export</Button>}
      {!isActiveRun(run) && <Button kind="quiet" testId="run-delete" onClick={() => remove(runId)}>Delete</Button>}
    </span>
  );
}

export function RunList({ runs }: { runs: readonly RunRecord[] }) {
  const studio = useStudio();
  const { compared, live, progress, toggleCompared, takeUp, storedBytes } = useStore(studio.comparison);
  const fingerprint = useStore(studio.dataset, (state) => state.summary?.fingerprint);
  const interrupted = runs.filter(({ state }) => state === 'interrupted');
  return (
    <>
      {interrupted.length > 1 && <Button testId="take-up-all" onClick={() => takeUp(interrupted.map(({ runId }) => runId))}>Continue all {interrupted.length} interrupted runs</Button>}
      <ul className={styles.runs} data-testid="run-list">
        {runs.map((run) => {
          const step = live.get(run.runId);
          const at = progress.get(run.runId);
          return (
            <li key={run.runId} className={styles.run} data-testid="run-item" data-state={run.state}>
              <label className={styles.check}>
                <input type="checkbox" checked={compared.has(run.runId)} onChange={() => toggleCompared(run.runId)} />
                <span className="visually-hidden">Compare {run.name}</span>
              </label>
              <span className={styles.what}>
                <Name run={run} />
                <span>{run.method.method}, {run.dataLabel}, {new Date(run.createdAt).toLocaleString()}</span>
                {run.error && <span className={styles.problem}>{run.error}</span>}
              </span>
              <span className={styles.how}>
                {STATE_WORDS[run.state]}
                {at && `: ${at.stage}`}
                {step && !at && `: step ${formatCount(step.step)}, ${formatCount(Math.round(step.tokensPerSecond))} tokens/s`}
                {run.test && `: test perplexity ${formatPerplexity(run.test.after.perplexity)}`}
              </span>
              <Actions run={run} canRepeat={run.dataFingerprint === fingerprint} />
            </li>
          );
        })}
      </ul>
      {storedBytes !== undefined && <p className={styles.note}>Runs take {formatBytes(storedBytes)} in this browser, the tokens of their texts included. Nothing of it leaves your machine.</p>}
    </>
  );
}
