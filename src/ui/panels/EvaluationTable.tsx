// The validations of a run in rows, for those who cannot or do not want to read the chart.
import { useStore } from 'zustand';
import { formatCount, formatPerplexity } from '../../core/format.ts';
import { EVALUATIONS_KEPT } from '../../stores/metricsStore.ts';
import { useStudio } from '../StudioContext.ts';
import styles from './TrainPanel.module.css';

export function EvaluationTable() {
  const evaluations = useStore(useStudio().metrics, (state) => state.evaluations);
  if (evaluations.length === 0) return <p>None yet.</p>;
  return (
    <div className={styles.scroll} tabIndex={0} role="region" aria-label="Validations">
      <table className={styles.evaluations}>
        <caption className="visually-hidden">Validations, the last {EVALUATIONS_KEPT} at most</caption>
        <thead>
          <tr><th scope="col">Step</th><th scope="col">Tokens</th><th scope="col">Perplexity</th><th scope="col">Bits per byte</th><th scope="col">Best so far</th></tr>
        </thead>
        <tbody>
          {evaluations.map(({ step, tokens, validation, best }) => (
            <tr key={step} data-testid="evaluation-row">
              <td>{formatCount(step)}</td>
              <td>{formatCount(tokens)}</td>
              <td>{formatPerplexity(validation.perplexity)}</td>
              <td>{validation.bitsPerByte.toFixed(3)}</td>
              <td>{best ? 'yes' : ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
