// The beginning of one document as the model sees it: every tint is one token.
import type { DocumentPreview } from '../../protocol/events.ts';
import { formatCount } from '../../core/format.ts';
import { Button } from '../components/Button.tsx';
import { Card } from '../components/Section.tsx';
import { useStudio } from '../StudioContext.ts';
import styles from './DataPanel.module.css';

const SPLIT_SENTENCES = { train: 'used for training', validation: 'held out for validation', test: 'held out for the test' } as const;

export function TokenPreview({ preview, documents }: { preview: DocumentPreview; documents: number }) {
  const { dataset } = useStudio();
  const show = (document: number): void => dataset.getState().showDocument(document);
  return (
    <Card testId="data-preview">
      <div className={styles.previewBar}>
        <h3 className={styles.heading}>As the model sees it</h3>
        <span className={styles.badge} data-testid="preview-split">{SPLIT_SENTENCES[preview.split]}</span>
        <span className={styles.note}>Document {formatCount(preview.document + 1)} of {formatCount(documents)}, {formatCount(preview.numTokens)} tokens</span>
        <Button onClick={() => show(preview.document - 1)} disabled={preview.document <= 0} testId="preview-previous">Previous</Button>
        <Button onClick={() => show(preview.document + 1)} disabled={preview.document >= documents - 1} testId="preview-next">Next</Button>
      </div>
      <div className={styles.tokens} tabIndex={0} role="region" aria-label={`Beginning of ${preview.path} with token boundaries`} data-testid="preview-tokens">
        {preview.tokens.map((token, index) => <span key={index}>{token}</span>)}
        {preview.truncated && ' …'}
      </div>
      <p className={styles.note}>{preview.path}</p>
    </Card>
  );
}
