// The numbers of a run while it runs: validation perplexity large, the rest around it. All are written past React (LiveText).
import { formatBytes, formatCount, formatPerplexity, formatSeconds } from '../../core/format.ts';
import type { MetricsState } from '../../stores/metricsStore.ts';
import { Figure, Figures } from '../components/Figure.tsx';
import { LiveText } from '../live/LiveText.tsx';
import styles from './TrainPanel.module.css';

const NONE = '–';

// Before the first validation of the run, that of the projected weights it starts from holds.
const readValidation = ({ lastEvaluation, started }: MetricsState): string => {
  const figure = lastEvaluation?.validation ?? started?.projected;
  return figure ? formatPerplexity(figure.perplexity) : NONE;
};
const readBitsPerByte = ({ lastEvaluation, started }: MetricsState): string => {
  const figure = lastEvaluation?.validation ?? started?.projected;
  return figure ? figure.bitsPerByte.toFixed(3) : NONE;
};
const readStep = ({ latest }: MetricsState): string => (latest ? formatCount(latest.step) : '0');
const readSteps = ({ started }: MetricsState): string => (started ? ` of ${formatCount(started.config.steps)}` : '');
const readTokens = ({ latest }: MetricsState): string => (latest ? formatCount(latest.tokens) : NONE);
const readRate = ({ latest }: MetricsState): string => (latest ? formatCount(latest.tokensPerSecond) : NONE);
const readTrainingLoss = ({ latest }: MetricsState): string => (latest ? formatPerplexity(Math.exp(latest.loss)) : NONE);
const readMemory = ({ latest, started }: MetricsState): string => {
  const bytes = latest?.gpuBytes ?? started?.gpuBytes;
  return bytes === undefined ? NONE : formatBytes(bytes);
};
const readBest = ({ bestEvaluation }: MetricsState): string =>
  bestEvaluation ? formatPerplexity(bestEvaluation.validation.perplexity) : NONE;
const readBestStep = ({ bestEvaluation }: MetricsState): string => (bestEvaluation ? `step ${formatCount(bestEvaluation.step)}` : '');

/** Time for the remaining steps at the present rate; early stopping may end the run before. */
function readTimeLeft({ latest, started }: MetricsState): string {
  if (!latest || !started || !(latest.tokensPerSecond > 0)) return NONE;
  return formatSeconds(((started.config.steps - latest.step) * started.tokensPerStep) / latest.tokensPerSecond);
}

/** `active`: the run goes on, so that a time left has a meaning. */
export function LiveFigures({ slm, projected, active }: { slm?: number; projected?: number; active: boolean }) {
  return (
    <div className={styles.live}>
      <div className={styles.headline}>
        <span className={styles.headlineLabel}>Validation perplexity now</span>
        <span className={styles.headlineValue}><LiveText read={readValidation} testId="validation-perplexity" /></span>
        {projected !== undefined && (
          <span className={styles.headlineNote}>
            Started at {formatPerplexity(projected)}{slm !== undefined && <>; the plain small model has {formatPerplexity(slm)}</>}.
          </span>
        )}
      </div>
      <Figures columns={4} small>
        <Figure label="Step" value={<LiveText read={readStep} testId="train-step-count" />} note={<LiveText read={readSteps} />} />
        <Figure label="Time left at most" value={active ? <LiveText read={readTimeLeft} testId="train-eta" /> : NONE} />
        <Figure label="Tokens per second" value={<LiveText read={readRate} testId="tokens-per-second" />} />
        <Figure label="Tokens read" value={<LiveText read={readTokens} />} />
        <Figure label="Bits per byte" value={<LiveText read={readBitsPerByte} testId="bits-per-byte" />} />
        <Figure label="Training perplexity" value={<LiveText read={readTrainingLoss} testId="training-perplexity" />} />
        <Figure label="Best validation" value={<LiveText read={readBest} />} note={<LiveText read={readBestStep} />} />
        <Figure label="GPU memory" value={<LiveText read={readMemory} testId="gpu-memory" />} />
      </Figures>
    </div>
  );
}
