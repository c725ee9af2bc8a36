// What was chosen and why, and where the projected model starts compared with the plain small model.
import { useStore } from 'zustand';
import { formatBytes, formatPerplexity, formatSeconds } from '../../core/format.ts';
import { Figure, Figures } from '../components/Figure.tsx';
import { Card } from '../components/Section.tsx';
import { useStudio } from '../StudioContext.ts';
import styles from './ExpertPanel.module.css';

/** The expert's numbers as bars up (positive) and down (negative) from a middle line. */
function ExpertVector({ vector }: { vector: readonly number[] }) {
  const largest = Math.max(...vector.map(Math.abs), Number.EPSILON);
  return (
    <div>
      <div className={styles.vector} role="img" aria-label={`The expert’s ${vector.length} numbers`} data-testid="expert-vector">
        {vector.map((value, index) => {
          const height = `${(Math.abs(value) / largest) * 50}%`;
          return (
            <div key={index} className={styles.cell} title={value.toFixed(3)}>
              <span className={value < 0 ? styles.negative : undefined} style={value < 0 ? { top: '50%', height } : { bottom: '50%', height }} />
            </div>
          );
        })}
      </div>
      <p className={styles.note}>The {vector.length} numbers of this expert. They decide how the slices of every layer are blended.</p>
    </div>
  );
}

export function ProjectionResult() {
  const { chosen, projected } = useStore(useStudio().expert);
  if (!chosen && !projected) return null;
  return (
    <Card>
      {chosen && <p className={styles.explanation} data-testid="expert-explanation">{chosen.explanation}</p>}
      {chosen && chosen.vector.length > 0 && <ExpertVector vector={chosen.vector} />}
      {projected && (
        <>
          <div className={styles.duel}>
            <div className={styles.big}>
              <span className={styles.bigLabel}>Plain small model</span>
              <span className={styles.bigValue} data-testid="slm-perplexity">{formatPerplexity(projected.slm.perplexity)}</span>
            </div>
            <div className={`${styles.big} ${styles.mine}`}>
              <span className={styles.bigLabel}>Projected model</span>
              <span className={styles.bigValue} data-testid="projected-perplexity">{formatPerplexity(projected.projected.perplexity)}</span>
            </div>
            <p className={styles.note}>Perplexity on your validation text before any fine-tuning; lower is better. Both models are equally small.</p>
          </div>
          <Figures columns={4} small>
            <Figure label="Bits per byte, projected" value={projected.projected.bitsPerByte.toFixed(3)} />
            <Figure label="Projected in" value={formatSeconds(projected.projectionSeconds)} testId="projection-seconds" />
            <Figure label="Slices read" value={formatBytes(projected.bytesRead)} note={projected.projectionSeconds > 0 ? `${formatBytes(projected.bytesRead / projected.projectionSeconds)}/s` : undefined} />
            <Figure label="Weights" value={<code>{projected.weightsHash}</code>} />
          </Figures>
        </>
      )}
    </Card>
  );
}
