// What was read, how it is split, and how long the documents are.
import { useStore } from 'zustand';
import { DATA_RANGES, SPLIT_NAMES, type SplitName } from '../../config/dataConfig.ts';
import { formatBytes, formatCount, formatSeconds } from '../../core/format.ts';
import type { DataSummary } from '../../protocol/events.ts';
import { invalidDataField } from '../../stores/datasetStore.ts';
import { LengthHistogram } from '../charts/LengthHistogram.tsx';
import { NumberField } from '../components/Field.tsx';
import { Figure, Figures } from '../components/Figure.tsx';
import { Notice } from '../components/Notice.tsx';
import { Card } from '../components/Section.tsx';
import { useStudio } from '../StudioContext.ts';
import styles from './DataPanel.module.css';

const SPLIT_WORDS: Readonly<Record<SplitName, string>> = { train: 'Training', validation: 'Validation', test: 'Test' };

function SplitTable({ summary }: { summary: DataSummary }) {
  return (
    <>
      <div className={styles.splitBar} aria-hidden="true">
        {SPLIT_NAMES.map((name) => <div key={name} className={styles[name]} style={{ flexGrow: summary.splits[name].tokens }} />)}
      </div>
      <table className={styles.table} data-testid="split-table">
        <caption className="visually-hidden">How the documents are split</caption>
        <thead><tr><th scope="col">Part</th><th scope="col">Documents</th><th scope="col">Tokens</th><th scope="col">Bytes</th></tr></thead>
        <tbody>
          {SPLIT_NAMES.map((name) => (
            <tr key={name} data-testid={`split-${name}`}>
              <th scope="row"><span className={`${styles.swatch} ${styles[name]}`} aria-hidden="true" />{SPLIT_WORDS[name]}</th>
              <td>{formatCount(summary.splits[name].documents)}</td>
              <td>{formatCount(summary.splits[name].tokens)}</td>
              <td>{formatBytes(summary.splits[name].bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

/** Shares and seed of the split; every change splits the documents again. */
function SplitFields({ disabled }: { disabled: boolean }) {
  const { dataset } = useStudio();
  const config = useStore(dataset, (state) => state.config);
  const invalid = invalidDataField(config);
  const keys = ['validationShare', 'testShare', 'seed', 'nearDuplicateThreshold'] as const;
  return (
    <>
      <fieldset className={styles.fields} disabled={disabled} aria-label="How to split">
        {keys.map((key) => (
          <NumberField
            key={key}
            label={DATA_RANGES[key].label}
            min={DATA_RANGES[key].min}
            max={DATA_RANGES[key].max}
            step={DATA_RANGES[key].step}
            value={config[key]}
            testId={`data-${key}`}
            onChange={(value) => dataset.getState().changeConfig({ [key]: value })}
          />
        ))}
      </fieldset>
      {invalid && <Notice kind="error">{invalid}</Notice>}
    </>
  );
}

export function DataSummaryCard({ summary, disabled }: { summary: DataSummary; disabled: boolean }) {
  const encodings = Object.entries(summary.encodings).map(([name, files]) => `${name} (${formatCount(files)})`).join(', ');
  return (
    <Card testId="data-ready">
      <Figures columns={5}>
        <Figure label="Documents" value={formatCount(summary.documents)} testId="data-documents" />
        <Figure label="Tokens" value={formatCount(summary.tokens)} testId="data-tokens" />
        <Figure label="Bytes per token" value={summary.bytesPerToken.toFixed(2)} testId="data-bytes-per-token" />
        <Figure label="Duplicates dropped" value={formatCount(summary.exactDuplicates + summary.nearDuplicates)} note={`${summary.exactDuplicates} exact, ${summary.nearDuplicates} near`} testId="data-duplicates" />
        <Figure label="Read" value={formatBytes(summary.bytesRead)} note={`${formatCount(summary.files)} ${summary.files === 1 ? 'file' : 'files'} in ${formatSeconds(summary.seconds)}`} />
      </Figures>
      {summary.warnings.length > 0 && (
        <Notice kind="caution" testId="data-warnings">
          {summary.warnings.length === 1 ? summary.warnings[0] : <ul className={styles.warnings}>{summary.warnings.map((warning) => <li key={warning}>{warning}</li>)}</ul>}
        </Notice>
      )}
      <div className={styles.columns}>
        <div className={styles.column}>
          <h3 className={styles.heading}>Set aside by document</h3>
          <SplitTable summary={summary} />
        </div>
        <div className={styles.column}>
          <h3 className={styles.heading}>Lengths of the documents</h3>
          <LengthHistogram bins={summary.lengthHistogram} />
        </div>
      </div>
      <SplitFields disabled={disabled} />
      <p className={styles.note}>Encoding: {encodings || 'unknown'}. Fingerprint of the text: <code>{summary.fingerprint.slice(0, 16)}</code></p>
    </Card>
  );
}
