// pack.json: what a pack holds, with every file's size and SHA-256. The rest of a pack is believed only as far as it matches this list.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { formatCount, formatPerplexity } from '../core/format.ts';
import { UserError } from '../core/invariant.ts';
import { isJsonObject, jsonFields, parseJsonObject, type JsonObject } from './jsonFields.ts';

export interface ManifestFile {
  readonly bytes: number;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
}

export interface PackManifest {
  readonly name: string;
  readonly files: ReadonlyMap<string, ManifestFile>;
  /** First 16 hex digits of a SHA-256 over the hashes of REQUIRED_FILES: the same for the same models, whatever else the pack holds. */
  readonly hash: string;
  /** pack.json's "provenance" as it stands: free in form. */
  readonly provenance: JsonObject;
}

export const MANIFEST_NAME = 'pack.json';
export const MAX_MANIFEST_BYTES = 4 << 20;

/** Files every pack needs; for the others (mix/, llm/, reservoir.bin) see optionalParts.ts. */
export const REQUIRED_FILES = [
  'config.json', 'tokenizer.json', 'tokenizer_config.json', 'clusters.json', 'clusters.safetensors', 'encoder.onnx', 'slm.safetensors', 'pn.safetensors',
] as const;
export type RequiredFile = (typeof REQUIRED_FILES)[number];

const MAX_FILES = 10_000;
/** A path of plain names: nothing absolute, no "..", nothing an address would read another way. */
const SAFE_PATH = /^[A-Za-z0-9_][A-Za-z0-9._-]*(\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/;

/** @throws UserError one sentence naming pack.json and the field */
export function parseManifest(text: string): PackManifest {
  const manifest = jsonFields(parseJsonObject(text, MANIFEST_NAME), MANIFEST_NAME);
  manifest.oneOf('format', ['projected-network-pack'], 'only such a folder can be opened');
  manifest.oneOf('format_version', [1], 'this studio reads no other version');
  const name = manifest.string('name', 100);
  const listed = manifest.object('files');
  const paths = Object.keys(listed.values);
  if (paths.length > MAX_FILES) throw new UserError(`${MANIFEST_NAME} lists ${paths.length} files, over the limit of ${MAX_FILES}.`);
  const files = new Map<string, ManifestFile>();
  for (const path of paths) {
    if (!SAFE_PATH.test(path)) throw new UserError(`${MANIFEST_NAME} lists a file named ${JSON.stringify(path.slice(0, 80))}, which is no plain path inside the pack.`);
    const entry = listed.object(path);
    const digest = entry.string('sha256', 64).toLowerCase();
    if (!/^[0-9a-f]{64}$/.test(digest)) throw new UserError(`${MANIFEST_NAME}: files.${path}.sha256 must be 64 hexadecimal digits.`);
    files.set(path, { bytes: entry.integer('bytes', 0, 2 ** 42), sha256: digest });
  }
  for (const path of REQUIRED_FILES) if (!files.has(path)) throw new UserError(`${MANIFEST_NAME} does not list ${path}, which every pack needs.`);
  const provenance = manifest.values.provenance;
  return { name, files, hash: hashOf(files), provenance: isJsonObject(provenance) ? provenance : {} };
}

function hashOf(files: ReadonlyMap<string, ManifestFile>): string {
  const hash = sha256.create();
  const text = new TextEncoder();
  for (const path of REQUIRED_FILES) hash.update(text.encode(`${path}\n${files.get(path)?.sha256}\n`));
  return bytesToHex(hash.digest()).slice(0, 16);
}

/** Characters of a text of the manifest's that are shown. */
const MAX_SHOWN = 600;

/** A longer text ends after a whole word, and shows that it goes on. */
const shown = (text: string): string => (text.length <= MAX_SHOWN ? text : text.slice(0, MAX_SHOWN - 1).replace(/\S*$/, '…'));

const sentence = (text: string): string => `${text.replace(/\.$/, '')}${text.endsWith('…') ? '' : '.'}`;

/** What the manifest says about the pack's origin, as readable sentences; fields it does not have are left out. */
export function provenanceSentences({ provenance }: PackManifest): string {
  const text = (key: string): string | undefined => {
    const value = provenance[key];
    return typeof value === 'string' && value.trim() ? shown(value.trim()) : undefined;
  };
  const sentences: string[] = [];
  const corpus = text('corpus');
  const tokens = provenance.trained_tokens;
  if (typeof tokens === 'number' && tokens > 0) sentences.push(sentence(`Pretrained on ${formatCount(tokens)} tokens${corpus ? ` from ${corpus}` : ''}`));
  else if (corpus) sentences.push(sentence(`Pretrained on ${corpus}`));
  const perplexity = provenance.generic_validation_perplexity;
  if (isJsonObject(perplexity) && typeof perplexity.pn === 'number' && typeof perplexity.slm === 'number') {
    sentences.push(`Perplexity on held-out generic text: ${formatPerplexity(perplexity.pn)}, against ${formatPerplexity(perplexity.slm)} for the plain small model.`);
  }
  const note = text('note');
  if (note) sentences.push(sentence(`${note[0].toUpperCase()}${note.slice(1)}`));
  return sentences.join(' ') || 'The pack does not say where it came from.';
}
