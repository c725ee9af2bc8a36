// The paper's table for the user's text, and what to take from it.
import { methodTable, type MethodRow } from '../../comparison/methodTable.ts';
import type { RunRecord } from '../../config/runRecord.ts';
import { formatChange, formatCount, formatPerplexityInterval, formatSeconds, formatTeraflops } from '../../core/format.ts';
import styles from './Compare.module.css';

function Row({ row }: { row: MethodRow }) {
  return (
    <tr data-testid={`method-row-${row.method}`}>
      <th scope="row">{row.name}</th>
      <td data-label="Pretrained only">{row.before ? formatPerplexityInterval(row.before) : '–'}</td>
      <td data-label="Fine-tuned" className={styles.after}>{formatPerplexityInterval(row.after)}</td>
      <td data-label="Against SLM">{row.ratio !== undefined && row.ratioInterval ? `${formatChange(row.ratio)} (${formatChange(row.ratioInterval[0])} to ${formatChange(row.ratioInterval[1])})` : '–'}</td>
      <td data-label="Tokens">{formatCount(row.tokens)}</td>
      <td data-label="TFLOP">{formatTeraflops(row.flops)}</td>
      <td data-label="Time">{formatSeconds(row.seconds)}</td>
      <td data-label="Parameters">{row.parameters !== undefined ? formatCount(row.parameters) : '–'}</td>
      <td data-label="Tokens/s">{row.tokensPerSecond !== undefined ? formatCount(row.tokensPerSecond) : '–'}</td>
    </tr>
  );
}

export function MethodTableView({ runs }: { runs: readonly RunRecord[] }) {
  const { rows, conclusion } = methodTable(runs);
  if (rows.length === 0) return null;
  return (
    <>
      <p className={styles.conclusion} data-testid="race-conclusion">{conclusion}</p>
      <div className={styles.scroll} tabIndex={0} role="region" aria-label="Methods compared">
        <table className={`${styles.table} ${styles.wide}`} data-testid="method-table">
          <caption className="visually-hidden">Perplexity of each method on the test documents, with 95% bootstrap intervals over documents, what it cost once the text was known, and the model it leaves</caption>
          <thead>
            <tr className={styles.groups}>
              <th rowSpan={2} scope="col">Method</th><th scope="colgroup">Pretrained only</th><th scope="colgroup" colSpan={2}>After fine-tuning</th><th scope="colgroup" colSpan={3}>Cost</th><th scope="colgroup" colSpan={2}>Deployed</th>
            </tr>
            <tr className={styles.columns}>
              <th scope="col">Perplexity</th><th scope="col">Perplexity</th><th scope="col">Against SLM</th><th scope="col">Tokens</th><th scope="col">TFLOP</th><th scope="col">Time</th><th scope="col">Parameters</th><th scope="col">Tokens/s</th>
            </tr>
          </thead>
          <tbody>{rows.map((row) => <Row key={row.runId} row={row} />)}</tbody>
        </table>
      </div>
    </>
  );
}
