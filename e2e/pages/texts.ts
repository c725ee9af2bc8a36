// The texts journeys train on: a domain file beside the repository where it is there, the bundled sample where it is not.
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';

const ROOT = resolve(import.meta.dirname, '../..');
const DOMAIN_FILE = resolve(ROOT, '../shared/corpus/domains/medical_qa.test.jsonl.gz');

export const SAMPLE_FILE = resolve(ROOT, 'public/samples/tide-mill.jsonl');
export const PACK_FOLDER = resolve(ROOT, 'public/packs/nano');

export interface JourneyText {
  /** For the test's title. */
  readonly name: string;
  readonly file: string;
}

/** The domain file, or the sample with a name that says so. */
export const JOURNEY_TEXT: JourneyText = existsSync(DOMAIN_FILE)
  ? { name: 'the domain file medical_qa', file: DOMAIN_FILE }
  : { name: 'the bundled sample (no ../shared/corpus here)', file: SAMPLE_FILE };

/** The texts of a .jsonl or .jsonl.gz file, read without the product's code. */
export function documentTexts(file: string): string[] {
  const bytes = readFileSync(file);
  const lines = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => (JSON.parse(line) as { text: string }).text);
}
