// Shares of the user's text per cluster against those of the generic text, largest share of the user's text first.
import { formatPercent, formatPerplexity } from '../../core/format.ts';
import type { ClusterSummary } from '../../protocol/events.ts';
import styles from './PairedBars.module.css';

interface PairedBarsProps {
  clusters: readonly ClusterSummary[];
  /** Share of the domain's windows per cluster index. */
  histogram: readonly number[];
  chosen?: number;
  /** Loss of each cluster's expert on the training text (nats per token), where it was measured. */
  losses?: readonly number[];
}

export function PairedBars({ clusters, histogram, chosen, losses }: PairedBarsProps) {
  const rows = clusters.toSorted((a, b) => (histogram[b.index] ?? 0) - (histogram[a.index] ?? 0) || b.genericShare - a.genericShare);
  const largest = Math.max(...histogram, ...clusters.map((cluster) => cluster.genericShare), Number.EPSILON);
  const width = (share: number): string => `${(share / largest) * 100}%`;
  return (
    <figure>
      <figcaption className={styles.legend}>
        <span><i className={styles.yours} />Your text</span>
        <span><i />The generic text of pretraining</span>
        {losses && <span>Last column: perplexity of that cluster’s expert on your text</span>}
      </figcaption>
      <ul className={styles.rows} style={{ marginTop: 14 }} data-testid="expert-histogram">
        {rows.map((cluster) => {
          const share = histogram[cluster.index] ?? 0;
          const isChosen = cluster.index === chosen;
          return (
            <li
              key={cluster.index}
              className={isChosen ? `${styles.row} ${styles.chosen}` : styles.row}
              aria-label={`Cluster ${cluster.index}, ${cluster.label}: ${formatPercent(share)} of your text, ${formatPercent(cluster.genericShare)} of the generic text${isChosen ? ', chosen' : ''}`}
              title={cluster.topTerms.join(', ')}
            >
              <span className={styles.index}>{cluster.index}</span>
              <span className={styles.label}>{cluster.label}</span>
              <span className={styles.bars} aria-hidden="true">
                <span className={`${styles.bar} ${styles.yours}`} style={{ width: width(share) }} />
                <span className={styles.bar} style={{ width: width(cluster.genericShare) }} />
              </span>
              <span className={styles.value}>{formatPercent(share)}</span>
              <span className={styles.extra}>{losses?.[cluster.index] !== undefined ? formatPerplexity(Math.exp(losses[cluster.index])) : isChosen ? 'chosen' : ''}</span>
            </li>
          );
        })}
      </ul>
    </figure>
  );
}
