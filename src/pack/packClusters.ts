// clusters.json and clusters.safetensors: the clusters of the generic set that the experts belong to. Cluster i is expert i.
import { UserError } from '../core/invariant.ts';
import { openTensorFile, requireFiniteTensors } from '../formats/tensorFile.ts';
import { jsonFields, isJsonObject, parseJsonObject } from './jsonFields.ts';

export interface PackCluster {
  readonly index: number;
  readonly label: string;
  readonly topTerms: readonly string[];
  /** Share of the generic set, in [0, 1]; all clusters sum to 1. */
  readonly genericShare: number;
  readonly genericTokens: number;
}

export interface Centroids {
  /** [k, dimension], row-major. */
  readonly data: Float32Array;
  readonly k: number;
  readonly dimension: number;
}

export interface PackClusters {
  readonly clusters: readonly PackCluster[];
  readonly centroids: Centroids;
  /** Windows for clustering are at most this long (1,024 at pretraining). */
  readonly windowTokens: number;
}

const JSON_FILE = 'clusters.json';
const TENSOR_FILE = 'clusters.safetensors';
const MAX_WINDOW_TOKENS = 1024;
const MAX_DIMENSION = 16_384;

/** @param k number of experts in config.json @throws UserError one sentence naming the file and the field */
export async function readPackClusters(json: string, tensors: Blob, k: number): Promise<PackClusters> {
  const { centroids, frequency } = await readCentroids(tensors, k);
  const description = jsonFields(parseJsonObject(json, JSON_FILE), JSON_FILE);
  const windowTokens = description.integer('window_tokens', 1, MAX_WINDOW_TOKENS);
  const listed = description.list('clusters', 1 << 20);
  if (listed.length !== k) throw new UserError(`${JSON_FILE} describes ${listed.length} clusters, but config.json says k = ${k}.`);
  const total = frequency.reduce((sum, value) => sum + value, 0);
  const clusters = listed.map((entry, index) => {
    if (!isJsonObject(entry)) throw new UserError(`${JSON_FILE}: clusters[${index}] is not an object.`);
    const fields = jsonFields(entry, JSON_FILE, `clusters[${index}].`);
    fields.oneOf('index', [index], 'clusters are listed in order');
    const topTerms = fields.list('top_terms', 1000).filter((term) => typeof term === 'string');
    return { index, label: fields.string('label', 200), topTerms, genericShare: frequency[index] / total, genericTokens: fields.integer('tokens', 0, Number.MAX_SAFE_INTEGER) };
  });
  return { clusters, centroids, windowTokens };
}

async function readCentroids(blob: Blob, k: number): Promise<{ centroids: Centroids; frequency: Float32Array }> {
  const file = await openTensorFile(blob, TENSOR_FILE);
  const shapeOf = (name: string, rank: number): readonly number[] => {
    const tensor = file.tensors.get(name);
    if (!tensor) throw new UserError(`${TENSOR_FILE} has no tensor ${name}.`);
    if (tensor.dtype !== 'F32') throw new UserError(`${TENSOR_FILE}: tensor ${name} is stored as ${tensor.dtype}, where F32 is expected.`);
    if (tensor.shape.length !== rank || tensor.shape[0] !== k) {
      throw new UserError(`${TENSOR_FILE}: tensor ${name} has shape [${tensor.shape.join(', ')}], but config.json says k = ${k}.`);
    }
    return tensor.shape;
  };
  const dimension = shapeOf('centroids', 2)[1];
  if (!(dimension >= 1 && dimension <= MAX_DIMENSION)) throw new UserError(`${TENSOR_FILE}: the centroids have an impossible dimension of ${dimension}.`);
  shapeOf('generic_frequency', 1);
  await requireFiniteTensors(file);
  const frequency = await file.readFloats('generic_frequency');
  if (!(frequency.every((value) => value >= 0) && frequency.some((value) => value > 0))) {
    throw new UserError(`${TENSOR_FILE}: tensor generic_frequency must hold shares that are not negative and not all zero.`);
  }
  return { centroids: { data: await file.readFloats('centroids'), k, dimension }, frequency };
}
