// Three ways to give text: drop files, paste, or take the sample that comes with the studio.
import { useState } from 'react';
import { useStudio } from '../StudioContext.ts';
import { BUNDLED_SAMPLE, bundledSampleUrl } from '../commands/bundledSample.ts';
import { Button } from '../components/Button.tsx';
import { Disclosure } from '../components/Disclosure.tsx';
import { DropZone } from '../components/DropZone.tsx';
import { TextField } from '../components/Field.tsx';
import { Notice } from '../components/Notice.tsx';
import { Card } from '../components/Section.tsx';
import styles from './DataPanel.module.css';

const FORMATS = 'Plain text, Markdown, HTML, JSON, JSON Lines, CSV and TSV, also inside .gz and .zip. Files are read on this machine; nothing is uploaded.';

function Paste({ disabled, rows }: { disabled: boolean; rows: number }) {
  const { dataset } = useStudio();
  const [text, setText] = useState('');
  return (
    <>
      <TextField label="Or paste text" rows={rows} value={text} onChange={setText} placeholder="A chapter, a page of notes, a transcript" disabled={disabled} testId="data-paste" />
      <div className={styles.actions}>
        <Button disabled={disabled || text.trim() === ''} onClick={() => dataset.getState().loadText(text)} testId="data-use-paste">Use this text</Button>
      </div>
    </>
  );
}

export function GiveText({ compact, disabled }: { compact: boolean; disabled: boolean }) {
  const { dataset } = useStudio();
  const [dropError, setDropError] = useState<string>();
  const useSample = (): void => dataset.getState().loadAddress(BUNDLED_SAMPLE.path, bundledSampleUrl());

  const zone = (
    <DropZone
      compact={compact}
      disabled={disabled}
      label="Drop text files or folders"
      title={compact ? 'Drop other files or folders to replace the text' : 'Drop files or folders here'}
      hint={FORMATS}
      testIds={{ zone: 'data-drop', files: 'data-file-input', folder: 'data-folder-input' }}
      onFiles={(files) => {
        setDropError(undefined);
        dataset.getState().loadFiles(files);
      }}
      onError={setDropError}
    >
      <Button kind={compact ? 'quiet' : 'primary'} disabled={disabled} onClick={useSample} testId="data-use-sample" title="A handbook of keeping a tide mill, written for this studio">
        Use the bundled sample
      </Button>
    </DropZone>
  );
  return (
    <>
      {dropError && <Notice kind="error" testId="data-error">{dropError}</Notice>}
      {compact ? (
        <>
          {zone}
          <Disclosure title="Paste text instead"><div className={styles.side}><Paste rows={6} disabled={disabled} /></div></Disclosure>
        </>
      ) : (
        <div className={styles.ways}>
          {zone}
          <Card>
            <div className={styles.side}>
              <Paste rows={5} disabled={disabled} />
              <p className={styles.note}>The bundled sample is the handbook of a small, invented tide mill: 48 short documents.</p>
            </div>
          </Card>
        </div>
      )}
    </>
  );
}
