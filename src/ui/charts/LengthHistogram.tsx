// How many documents have which length in tokens. Plain boxes: it never changes while training.
import { formatCount } from '../../core/format.ts';
import type { HistogramBin } from '../../protocol/events.ts';
import styles from './LengthHistogram.module.css';

export function LengthHistogram({ bins }: { bins: readonly HistogramBin[] }) {
  if (bins.length === 0) return null;
  const tallest = bins.reduce((best, bin) => (bin.count > best.count ? bin : best), bins[0]);
  const words = (bin: HistogramBin): string => `${formatCount(bin.from)} to ${formatCount(bin.to)} tokens: ${formatCount(bin.count)} ${bin.count === 1 ? 'document' : 'documents'}`;
  return (
    <figure>
      <div className={styles.lengths} role="img" aria-label={`Document lengths. Most common: ${words(tallest)}.`}>
        {bins.map((bin) => (
          <div key={bin.from} title={words(bin)} data-empty={bin.count === 0} style={{ height: `${(bin.count / Math.max(1, tallest.count)) * 100}%` }} />
        ))}
      </div>
      <figcaption className={styles.lengthAxis}>
        <span>{formatCount(bins[0].from)}</span>
        <span>tokens per document, log scale</span>
        <span>{formatCount(bins[bins.length - 1].to)}</span>
      </figcaption>
    </figure>
  );
}
