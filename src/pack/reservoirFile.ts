// reservoir.bin: little-endian uint16 token ids, cluster by cluster, each cluster's training windows and then its held-out ones. Where they lie is told by
// "reservoir" in clusters.json (written by pretrain/pack/reservoir.py). Every offset must follow from the one before, so none can overlap or point elsewhere.
import type { Reservoir } from '../config/reservoir.ts';
import { UserError } from '../core/invariant.ts';
import { isJsonObject, jsonFields, parseJsonObject, type JsonFields } from './jsonFields.ts';

export const RESERVOIR_FILE = 'reservoir.bin';
const JSON_FILE = 'clusters.json';
/** It is held in memory as a whole. */
const MAX_RESERVOIR_BYTES = 1 << 30;

/** Places in tokens: training text from `begin`, held-out text from `heldOutBegin` to `end`. */
interface ClusterPlace {
  readonly begin: number;
  readonly heldOutBegin: number;
  readonly end: number;
}

export interface ReservoirLayout {
  readonly places: readonly ClusterPlace[];
  readonly numTokens: number;
}

/**
 * Checks the description alone, so that a wrong one fails before the file is fetched.
 * @param k number of clusters of the pack
 * @param windowTokens tokens of a window at most
 * @param fileBytes size of reservoir.bin
 * @throws UserError one sentence naming clusters.json and the field
 */
export function parseReservoirLayout(clustersJson: string, k: number, windowTokens: number, fileBytes: number): ReservoirLayout {
  if (fileBytes > MAX_RESERVOIR_BYTES) throw new UserError(`${RESERVOIR_FILE} has ${fileBytes} bytes, over the limit of ${MAX_RESERVOIR_BYTES}.`);
  if (fileBytes % 2 !== 0) throw new UserError(`${RESERVOIR_FILE} has ${fileBytes} bytes, an odd number, but its token ids take 2 bytes each.`);
  const description = jsonFields(parseJsonObject(clustersJson, JSON_FILE), JSON_FILE).object('reservoir');
  description.oneOf('file', [RESERVOIR_FILE], 'no other file is read');
  description.oneOf('dtype', ['uint16'], 'no other type is read');
  const numTokens = fileBytes / 2;
  description.oneOf('tokens', [numTokens], `${RESERVOIR_FILE} has ${fileBytes} bytes`);
  const listed = description.list('clusters', 1 << 20);
  if (listed.length !== k) throw new UserError(`${JSON_FILE}: reservoir.clusters describes ${listed.length} clusters, but config.json says k = ${k}.`);
  let position = 0;
  const places = listed.map((entry, index) => {
    const where = `reservoir.clusters[${index}]`;
    if (!isJsonObject(entry)) throw new UserError(`${JSON_FILE}: ${where} is not an object.`);
    const fields = jsonFields(entry, JSON_FILE, `${where}.`);
    fields.oneOf('index', [index], 'clusters are listed in order');
    const begin = position;
    const heldOutBegin = partEnd(fields.object('train'), `${where}.train`, begin, windowTokens, numTokens);
    position = partEnd(fields.object('held_out'), `${where}.held_out`, heldOutBegin, windowTokens, numTokens);
    return { begin, heldOutBegin, end: position };
  });
  if (position !== numTokens) throw new UserError(`${JSON_FILE}: reservoir.clusters describe ${position} tokens, but ${RESERVOIR_FILE} has ${numTokens}.`);
  return { places, numTokens };
}

/** Where a part ends that must begin at `begin`: where its windows, listed by their lengths, end. */
function partEnd(part: JsonFields, where: string, begin: number, windowTokens: number, numTokens: number): number {
  part.oneOf('begin', [begin], 'the parts follow each other without gap');
  let end = begin;
  for (const [window, length] of part.list('windows', numTokens).entries()) {
    if (!(typeof length === 'number' && Number.isInteger(length) && length >= 1 && length <= windowTokens)) {
      throw new UserError(`${JSON_FILE}: ${where}.windows[${window}] must be a whole number between 1 and ${windowTokens}.`);
    }
    end += length;
  }
  part.oneOf('end', [end], 'there its windows end');
  return end;
}

/**
 * The reservoir in memory: one copy of the file, and views of it.
 * @throws UserError one sentence when the file cannot be read or holds a token id that the vocabulary does not have
 */
export async function readReservoirFile(file: Blob, { places, numTokens }: ReservoirLayout, vocabSize: number): Promise<Reservoir> {
  let tokens: Uint16Array;
  try {
    tokens = new Uint16Array(await file.arrayBuffer());
  } catch {
    throw new UserError(`${RESERVOIR_FILE} could not be read into memory (${file.size} bytes): there is too little of it, or the file was removed.`);
  }
  const foreign = tokens.findIndex((id) => id >= vocabSize);
  if (foreign >= 0) throw new UserError(`${RESERVOIR_FILE} holds the token id ${tokens[foreign]} (token ${foreign}), but config.json says vocab_size = ${vocabSize}.`);
  const clusters = places.map(({ begin, heldOutBegin, end }) => ({ train: tokens.subarray(begin, heldOutBegin), heldOut: tokens.subarray(heldOutBegin, end) }));
  return { clusters, numTokens };
}
