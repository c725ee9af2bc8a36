// What differs between two runs.
import { settingsDifference, type RunRecord } from '../../config/runRecord.ts';
import styles from './Compare.module.css';
import { optionValueWords } from './optionWords.ts';

export function SettingsDifference({ a, b }: { a: RunRecord; b: RunRecord }) {
  const rows = settingsDifference(a, b);
  if (rows.length === 0) return <p className={styles.note}>Method and settings of the two runs are the same.</p>;
  return (
    <div className={styles.scroll} tabIndex={0} role="region" aria-label="Settings that differ">
      <table className={styles.table} data-testid="settings-difference">
        <caption className="visually-hidden">Settings that differ between {a.name} and {b.name}</caption>
        <thead><tr><th scope="col">Setting</th><th scope="col">{a.name}</th><th scope="col">{b.name}</th></tr></thead>
        <tbody>{rows.map(({ field, label, a: left, b: right }) => <tr key={field}><th scope="row">{label}</th><td>{optionValueWords(left)}</td><td>{optionValueWords(right)}</td></tr>)}</tbody>
      </table>
    </div>
  );
}
