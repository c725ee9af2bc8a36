// Step 5: the three models on the held-out test documents.
import { useStore } from 'zustand';
import { formatCount, formatPercent, formatPerplexity } from '../../core/format.ts';
import type { TestedModel, TestFigure } from '../../protocol/events.ts';
import { IntervalPlot } from '../charts/IntervalPlot.tsx';
import { Button } from '../components/Button.tsx';
import { Notice } from '../components/Notice.tsx';
import { Progress } from '../components/Progress.tsx';
import { Card, Section } from '../components/Section.tsx';
import { useStudio } from '../StudioContext.ts';
import { useWaitsFor } from '../useStepFacts.ts';
import { headline } from './headline.ts';
import styles from './ResultPanel.module.css';

const MODELS: readonly { readonly model: TestedModel; readonly name: string; readonly color: string }[] = [
  { model: 'slm', name: 'Plain small model', color: 'var(--ink-2)' },
  { model: 'projected', name: 'Projected, before fine-tuning', color: 'var(--ink-3)' },
  { model: 'fineTuned', name: 'Fine-tuned on your text', color: 'var(--accent)' },
];

function ResultTable({ figures }: { figures: readonly TestFigure[] }) {
  const ends = figures.flatMap((figure) => [figure.interval[0], figure.interval[1], figure.perplexity]).filter((value) => value > 0 && Number.isFinite(value));
  const domain = [Math.min(...ends) * 0.95, Math.max(...ends) * 1.05] as const;
  return (
    <table className={styles.table} data-testid="result-table">
      <caption className="visually-hidden">Perplexity of the three models on the test documents</caption>
      <thead>
        <tr>
          <th scope="col">Model</th><th scope="col">Perplexity</th><th scope="col">95% interval</th><th scope="col"><span className="visually-hidden">On one scale</span></th>
          <th scope="col">Bits per byte</th><th scope="col">Documents</th><th scope="col">Tokens</th><th scope="col">Weights</th>
        </tr>
      </thead>
      <tbody>
        {MODELS.map(({ model, name, color }) => {
          const figure = figures.find((candidate) => candidate.model === model);
          if (!figure) return null;
          return (
            <tr key={model} className={model === 'fineTuned' ? styles.tuned : undefined} data-testid={`result-row-${model}`}>
              <th scope="row">{name}</th>
              <td className={styles.perplexity} data-testid={`result-perplexity-${model}`}>{formatPerplexity(figure.perplexity)}</td>
              <td className={styles.interval} data-label="95% interval">{formatPerplexity(figure.interval[0])} to {formatPerplexity(figure.interval[1])}</td>
              <td className={styles.plot}><IntervalPlot value={figure.perplexity} interval={figure.interval} domain={domain} color={color} /></td>
              <td data-label="Bits per byte">{figure.bitsPerByte.toFixed(3)}</td>
              <td data-label="Documents">{formatCount(figure.documents)}</td>
              <td data-label="Tokens">{formatCount(figure.tokens)}</td>
              <td data-label="Weights"><code>{figure.weightsHash}</code></td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function Result() {
  const studio = useStudio();
  const run = useStore(studio.runs, (state) => state.run);
  const deviceReady = useStore(studio.device, (state) => state.status === 'ready');
  if (!run) return null;
  const { figures, testProgress, testError } = run;
  const summary = figures && headline(figures);
  return (
    <Card>
      {testError && <Notice kind="error" testId="test-error">{testError}</Notice>}
      {testProgress && (
        <Progress
          testId="test-progress"
          label={`Measuring: ${MODELS.find(({ model }) => model === testProgress.model)?.name ?? testProgress.model}`}
          share={testProgress.tokensTotal > 0 ? testProgress.tokensDone / testProgress.tokensTotal : undefined}
          detail={`${formatCount(testProgress.tokensDone)} of ${formatCount(testProgress.tokensTotal)} tokens`}
        />
      )}
      {!figures && !testProgress && !testError && run.state === 'finished' && <Progress label="Measuring on the test documents" />}
      {run.keptStep !== undefined && !figures && !testProgress && <p>The run broke off; its best weights, of step {formatCount(run.keptStep)}, are kept and can be measured.</p>}
      {!figures && !testProgress && (testError || run.keptStep !== undefined) && deviceReady && <div><Button onClick={() => studio.runs.getState().evaluateTest()} testId="test-evaluate">{testError ? 'Measure again' : 'Measure them'}</Button></div>}
      {summary && (
        <div className={styles.top}>
          <div>
            <div className={summary.change > 0 ? `${styles.change} ${styles.worse}` : styles.change} data-testid="result-change">
              {summary.change > 0 ? '+' : '−'}{formatPercent(Math.abs(summary.change))}
            </div>
            <p className={styles.changeLabel}>test perplexity, from the projected start</p>
          </div>
          <div className={styles.sentences} data-testid="result-sentences">
            {summary.sentences.map((sentence) => <p key={sentence}>{sentence}</p>)}
          </div>
        </div>
      )}
      {figures && <ResultTable figures={figures} />}
      <p className={styles.note}>
        Perplexity is the number of equally likely tokens the model would have to be choosing between, on average, to be as unsure as it is about
        the next one: lower is better, 1 would be certainty. Bits per byte says the same per byte of text and can be compared between tokenizers.
        Intervals come from drawing the test documents anew, many times over. The last column is a fingerprint of the very weights each row was computed with.
      </p>
    </Card>
  );
}

export function ResultPanel() {
  const waitsFor = useWaitsFor('result');
  return (
    <Section
      step="result"
      title="Result"
      lead="The honest comparison: three models of exactly the same size, on the documents that were set aside for this test and used for nothing else."
      waitsFor={waitsFor}
    >
      <Result />
    </Section>
  );
}
