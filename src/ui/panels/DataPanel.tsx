// Step 2: the user's text: giving it, watching it read, and what it turned out to be.
import { useStore } from 'zustand';
import { formatBytes, formatCount } from '../../core/format.ts';
import type { DataProgress } from '../../stores/datasetStore.ts';
import { isActive } from '../../stores/runsStore.ts';
import { Button } from '../components/Button.tsx';
import { SelectField } from '../components/Field.tsx';
import { Notice } from '../components/Notice.tsx';
import { Progress } from '../components/Progress.tsx';
import { Card, Section } from '../components/Section.tsx';
import { useStudio } from '../StudioContext.ts';
import { useWaitsFor } from '../useStepFacts.ts';
import styles from './DataPanel.module.css';
import { DataSummaryCard } from './DataSummaryCard.tsx';
import { GiveText } from './GiveText.tsx';
import { TokenPreview } from './TokenPreview.tsx';

const STAGES: Readonly<Record<DataProgress['stage'], string>> = {
  reading: 'Reading', tokenizing: 'Cutting into tokens', splitting: 'Splitting',
};

function Reading({ progress, onCancel }: { progress?: DataProgress; onCancel(): void }) {
  const share = progress && progress.bytesTotal > 0 ? progress.bytesRead / progress.bytesTotal : undefined;
  return (
    <Card testId="data-progress">
      <Progress
        label={progress ? `${STAGES[progress.stage]} ${progress.path}` : 'Opening your text'}
        share={share}
        detail={progress && `${formatBytes(progress.bytesRead)} of ${formatBytes(progress.bytesTotal)}, ${formatCount(progress.documents)} documents`}
      />
      <div><Button onClick={onCancel} testId="data-cancel">Cancel</Button></div>
    </Card>
  );
}

/** For each structured file, which of its fields is the text. */
function TextFields({ disabled }: { disabled: boolean }) {
  const { dataset } = useStudio();
  const fields = useStore(dataset, (state) => state.failedFields ?? state.summary?.fields);
  if (!fields || fields.length === 0) return null;
  return (
    <Card title="Which field holds the text">
      <div className={styles.fields}>
        {fields.map(({ path, fields: names, chosen }) => (
          <SelectField
            key={path}
            label={path}
            value={chosen}
            options={(names.includes(chosen) ? names : [chosen, ...names]).map((name) => ({ value: name, label: name || 'choose a field' }))}
            disabled={disabled}
            testId={`data-field-${path}`}
            onChange={(field) => dataset.getState().chooseField(path, field)}
          />
        ))}
      </div>
    </Card>
  );
}

export function DataPanel() {
  const studio = useStudio();
  const { loading, progress, summary, preview, error, cancel } = useStore(studio.dataset);
  const training = useStore(studio.runs, (state) => isActive(state.run));
  const waitsFor = useWaitsFor('data');
  return (
    <Section
      step="data"
      title="Your text"
      lead="Text of one domain: manuals, reports, recipes, letters. A few dozen pages are enough to begin with. Some documents are set aside before training, so that the result can be measured on text the model has never seen."
      waitsFor={waitsFor}
    >
      {training && <Notice>Stop the run to change the text.</Notice>}
      {error && <Notice kind="error" testId="data-error">{error}</Notice>}
      {loading ? <Reading progress={progress} onCancel={cancel} /> : <GiveText compact={summary !== undefined} disabled={training} />}
      {!loading && <TextFields disabled={training} />}
      {!loading && summary && <DataSummaryCard summary={summary} disabled={training} />}
      {!loading && summary && preview && <TokenPreview preview={preview} documents={summary.documents} />}
    </Section>
  );
}
