// One run as one file: a zip of run.json and weights.safetensors. The text it was trained on and the checkpoint are not in it; prompts and samples are, being
// part of the record. The same run gives the same bytes everywhere, so nothing is deflated and no clock is asked.
import { BlobReader, BlobWriter, TextReader, ZipReader, ZipWriter, type FileEntry } from '@zip.js/zip.js/index-native.js';
import type { RunRecord } from '../config/runRecord.ts';
import { formatBytes } from '../core/format.ts';
import { messageOf, UserError } from '../core/invariant.ts';
import { numElements, type HostTensors } from '../core/tensor.ts';
import { openTensorFile, requireFiniteTensors } from '../formats/tensorFile.ts';
import { safetensorsParts } from '../formats/safetensorsWriter.ts';
import { weightsHash } from '../formats/weightsHash.ts';
import { parseRunRecord } from './parseRunRecord.ts';

const RECORD_FILE = 'run.json';
const WEIGHTS_FILE = 'weights.safetensors';
const MAX_RECORD_BYTES = 64 * 2 ** 20;
/** Float32 weights of 500 million parameters: more than one array of a browser holds. */
const MAX_WEIGHTS_BYTES = 2 * 2 ** 30;
/** Weights hardly shrink, so an entry that expands further than this is no run of ours. */
const MAX_EXPANSION = 20;
/** Small entries may shrink more: a record of many equal numbers. */
const EXPANSION_FROM_BYTES = 2 ** 20;

export interface RunContent {
  readonly record: RunRecord;
  /** The best weights; present exactly when the record has a bestWeightsHash. */
  readonly tensors?: HostTensors;
}

/**
 * @throws UserError when the record is not one that import would take, its weights are missing or others than it says, or a weight is not finite
 */
export async function exportRun({ record, tensors }: RunContent): Promise<Blob> {
  // Parsing puts the fields into their one order.
  const ordered = parseRunRecord(record, `The run “${record.name}”`);
  const weights = tensors && new Blob(safetensorsParts(tensors));
  await readWeights(ordered, weights, `The run “${record.name}”`);
  // Any time would do. A zip names local time, so this is the same in every time zone.
  const lastModDate = new Date(2000, 0, 1);
  const zip = new ZipWriter(new BlobWriter('application/zip'), { useWebWorkers: false, level: 0, lastModDate, extendedTimestamp: false });
  await zip.add(RECORD_FILE, new TextReader(`${JSON.stringify(ordered, null, 1)}\n`));
  if (weights) await zip.add(WEIGHTS_FILE, new BlobReader(weights));
  return zip.close();
}

/**
 * Reads a file that nobody has vouched for. A run that was exported while it went on comes back as interrupted: its checkpoint stayed where it was.
 * @param fileName named in every message
 * @throws UserError one sentence: no zip, other files in it, too large, damaged, another format version, a field out of bounds, weights that are missing,
 *   others than the record says, or not finite
 */
export async function importRun(file: Blob, fileName: string): Promise<RunContent> {
  const entries = await runEntries(file, fileName);
  const recordEntry = entries.get(RECORD_FILE);
  if (!recordEntry) throw new UserError(`${fileName} is no run: it has no ${RECORD_FILE}.`);
  const recordText = await (await expand(recordEntry, MAX_RECORD_BYTES, fileName)).text();
  const record = parseRunRecord(parseJson(recordText, `${fileName}/${RECORD_FILE}`), `${fileName}/${RECORD_FILE}`);
  const weightsEntry = entries.get(WEIGHTS_FILE);
  const weights = weightsEntry && await expand(weightsEntry, MAX_WEIGHTS_BYTES, fileName);
  const tensors = await readWeights(record, weights, `${fileName}/${WEIGHTS_FILE}`);
  const isActive = record.state === 'running' || record.state === 'paused';
  return { record: isActive ? { ...record, state: 'interrupted' } : record, ...(tensors ? { tensors } : {}) };
}

async function runEntries(file: Blob, fileName: string): Promise<Map<string, FileEntry>> {
  const found = new Map<string, FileEntry>();
  try {
    // One entry at a time, so that a directory of millions is not read to its end. Strict: what tools could read in two ways is refused.
    for await (const entry of new ZipReader(new BlobReader(file), { useWebWorkers: false, strictness: 'strict' }).getEntriesGenerator()) {
      const { filename } = entry;
      if (entry.directory || (filename !== RECORD_FILE && filename !== WEIGHTS_FILE)) throw new UserError(`${fileName} is no run: it holds ${JSON.stringify(filename.slice(0, 60))}, which does not belong in one.`);
      if (found.has(filename)) throw new UserError(`${fileName} holds ${filename} twice.`);
      if (entry.encrypted) throw new UserError(`${fileName}: ${filename} is encrypted.`);
      found.set(filename, entry);
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${fileName} is no complete zip file, so no run could be read from it (${messageOf(error).replace(/\.$/, '')}).`);
  }
  return found;
}

/** An entry's content, never more of it than its directory declares and the limits allow. */
async function expand(entry: FileEntry, maxBytes: number, fileName: string): Promise<Blob> {
  const { filename, uncompressedSize, compressedSize } = entry;
  const where = `${fileName}/${filename}`;
  if (uncompressedSize > maxBytes) throw new UserError(`${where} would take ${formatBytes(uncompressedSize)}, over the limit of ${formatBytes(maxBytes)}.`);
  if (uncompressedSize > EXPANSION_FROM_BYTES && uncompressedSize > MAX_EXPANSION * compressedSize) throw new UserError(`${where} expands to more than ${MAX_EXPANSION} times its size, so it was refused as a possible zip bomb.`);
  try {
    // zip.js stops at the first byte over the declared size.
    return await entry.getData(new BlobWriter(), { useWebWorkers: false, checkSignature: true, checkOverlappingEntry: true, strictness: 'strict' });
  } catch {
    throw new UserError(`${where} is damaged and could not be unpacked.`);
  }
}

function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(`${source} is not valid JSON.`);
  }
}

/** The weights that belong to `record`, checked. @param source named in every message */
async function readWeights(record: RunRecord, weights: Blob | undefined, source: string): Promise<HostTensors | undefined> {
  if (!weights && record.bestWeightsHash === undefined) return undefined;
  if (!weights) throw new UserError(`${source} is missing, though the record names best weights.`);
  if (record.bestWeightsHash === undefined) throw new UserError(`${source} holds weights, but the record names none.`);
  const file = await openTensorFile(weights, source);
  for (const [name, { dtype, shape }] of file.tensors) {
    if (dtype !== 'F32') throw new UserError(`${source}: tensor ${name} is stored as ${dtype}, but the weights of a run are F32.`);
    if (numElements(shape) === 0) throw new UserError(`${source}: tensor ${name} is empty.`);
  }
  await requireFiniteTensors(file);
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, { shape }] of file.tensors) tensors.set(name, { shape, data: await file.readFloats(name) });
  const hash = weightsHash(tensors);
  if (hash !== record.bestWeightsHash) throw new UserError(`${source} holds other weights (${hash}) than the record names (${record.bestWeightsHash}).`);
  return tensors;
}
