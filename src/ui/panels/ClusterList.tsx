// The clusters of the generic text with their shares; a cluster opens to its most telling words.
import { formatPercent } from '../../core/format.ts';
import type { ClusterSummary } from '../../protocol/events.ts';
import styles from './PackPanel.module.css';

export function ClusterList({ clusters }: { clusters: readonly ClusterSummary[] }) {
  const largest = Math.max(...clusters.map((cluster) => cluster.genericShare), Number.EPSILON);
  return (
    <ul className={styles.clusters} data-testid="pack-clusters">
      {clusters.map((cluster) => (
        <li key={cluster.index}>
          <details className={styles.cluster}>
            <summary className={styles.clusterLine} title={cluster.topTerms.join(', ')}>
              <span className={styles.clusterIndex}>{cluster.index}</span>
              <span className={styles.clusterLabel}>{cluster.label}</span>
              <span className={styles.share} aria-hidden="true"><div style={{ width: `${(cluster.genericShare / largest) * 100}%` }} /></span>
              <span className={styles.percent}>{formatPercent(cluster.genericShare)}</span>
            </summary>
            <p className={styles.terms}>{cluster.topTerms.join(', ')}. {cluster.genericTokens.toLocaleString('en-US')} tokens.</p>
          </details>
        </li>
      ))}
    </ul>
  );
}
