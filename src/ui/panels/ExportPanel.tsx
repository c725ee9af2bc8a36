// Step 7: the model as a download that other programs open.
import { useEffect } from 'react';
import { useStore } from 'zustand';
import { formatBytes } from '../../core/format.ts';
import { downloadFile } from '../commands/downloadFile.ts';
import { Button } from '../components/Button.tsx';
import { CodeBlock } from '../components/CodeBlock.tsx';
import { Notice } from '../components/Notice.tsx';
import { Card, Section } from '../components/Section.tsx';
import { useStudio } from '../StudioContext.ts';
import { useWaitsFor } from '../useStepFacts.ts';
import styles from './ExportPanel.module.css';

const FILES: readonly { readonly name: string; readonly words: string }[] = [
  { name: 'model.safetensors', words: 'The fine-tuned weights under their usual Llama names.' },
  { name: 'config.json', words: 'The shape of the model, as transformers expects it.' },
  { name: 'tokenizer.json, tokenizer_config.json', words: 'The tokenizer of the pack.' },
  { name: 'README.md', words: 'A model card: fingerprint of your text, settings, curves and the figures above. Your text itself is not in it.' },
];

const codeFor = (folder: string): string => `from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "${folder}"  # the unpacked zip
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)

prompt = tokenizer("Once the gate is shut", return_tensors="pt")
output = model.generate(**prompt, max_new_tokens=60, do_sample=True)
print(tokenizer.decode(output[0]))`;

/** Saves every model the engine hands over, once. */
function useDownloadOnExport(): void {
  const { runs } = useStudio();
  useEffect(
    () => runs.subscribe(({ run }, { run: former }) => {
      if (run?.exported && run.exported !== former?.exported) downloadFile(run.exported.file, run.exported.fileName);
    }),
    [runs],
  );
}

function ExportAction() {
  const { runs } = useStudio();
  const run = useStore(runs, (state) => state.run);
  if (!run) return null;
  const { exporting, exported, exportError } = run;
  return (
    <>
      {exportError && <Notice kind="error" testId="export-error">{exportError}</Notice>}
      <div className={styles.action}>
        <Button kind="primary" large disabled={exporting} onClick={() => runs.getState().exportModel()} testId="export-button">
          {exporting ? 'Packing' : exported ? 'Download again' : 'Download the model'}
        </Button>
        <span className={styles.note} role="status">{exported && `${exported.fileName}, ${formatBytes(exported.file.size)}, is in your downloads.`}</span>
      </div>
    </>
  );
}

export function ExportPanel() {
  useDownloadOnExport();
  const waitsFor = useWaitsFor('export');
  const fileName = useStore(useStudio().runs, (state) => state.run?.exported?.fileName);
  return (
    <Section
      step="export"
      title="Take it away"
      lead="One zip file, made on this machine, that Hugging Face transformers opens as an ordinary Llama model. From then on it needs neither this page nor a network."
      waitsFor={waitsFor}
    >
      <Card>
        <ExportAction />
        <div className={styles.columns}>
          <div>
            <h3>What is inside</h3>
            <dl className={styles.files}>{FILES.map(({ name, words }) => <div key={name}><dt>{name}</dt><dd>{words}</dd></div>)}</dl>
          </div>
          <div>
            <h3>How to load it</h3>
            <CodeBlock label="Python code that loads the model" code={codeFor(fileName?.replace(/\.zip$/, '') ?? 'my-model')} />
          </div>
        </div>
      </Card>
    </Section>
  );
}
