// All that the steps after it depend on, so that a run can be taken up again after a reload as if nothing had happened. Each array is a value of its own:
// a browser clones what it stores, one value at a time.
import { deleteBlobs, partsOfRun, putBlob } from './runBlobs.ts';
import type { BlobKey, ReadTransaction, WriteTransaction } from './runDatabase.ts';

export interface RunCheckpoint {
  /** The method's own name for what it is at. */
  readonly phase: string;
  /** Optimizer steps of the phase so far. */
  readonly step: number;
  /** Where the phase's training windows stand. */
  readonly windowsConsumed: number;
  /** Early stopping; bestLoss is Infinity before the first validation. */
  readonly stopping: { readonly bestLoss: number; readonly bestStep: number; readonly sinceBest: number };
  /** Arenas (model/parameters.ts). */
  readonly weights: Float32Array;
  /** AdamW's memory. */
  readonly moments: { readonly first: Float32Array; readonly second: Float32Array };
  /** The phase's best weights so far. */
  readonly bestWeights: Float32Array;
  /** Of training that stores halves (training/lossScale.ts). */
  readonly lossScale?: { readonly scale: number; readonly goodSteps: number };
  /** What else the phases to come need, by name: the weights of a fine-tuned teacher, say. */
  readonly otherWeights?: Readonly<Record<string, Float32Array>>;
}

type Place = Pick<RunCheckpoint, 'phase' | 'step' | 'windowsConsumed' | 'stopping' | 'lossScale'> & { readonly otherNames: readonly string[] };

const PREFIX = 'checkpoint';
const key = (runId: string, part: string): BlobKey => ['run', runId, `${PREFIX}.${part}`];

/** Replaces what deleteCheckpoint has removed before. */
export async function writeCheckpoint(transaction: WriteTransaction, runId: string, checkpoint: RunCheckpoint): Promise<void> {
  const { phase, step, windowsConsumed, stopping, weights, moments, bestWeights, lossScale, otherWeights = {} } = checkpoint;
  const arrays: Record<string, Float32Array> = { weights, first: moments.first, second: moments.second, best: bestWeights };
  for (const [name, values] of Object.entries(otherWeights)) arrays[`other.${name}`] = values;
  for (const [part, values] of Object.entries(arrays)) await putBlob(transaction, key(runId, part), withoutSurroundings(values), { bytes: values.byteLength });
  const place: Place = { phase, step, windowsConsumed, stopping, ...(lossScale ? { lossScale } : {}), otherNames: Object.keys(otherWeights) };
  await putBlob(transaction, key(runId, 'place'), place, { bytes: JSON.stringify(place).length });
}

export async function readCheckpoint(transaction: ReadTransaction, runId: string): Promise<RunCheckpoint | undefined> {
  const blobs = transaction.objectStore('blobs');
  const place = await blobs.get(key(runId, 'place')) as Place | undefined;
  if (!place) return undefined;
  const floats = async (part: string): Promise<Float32Array> => await blobs.get(key(runId, part)) as Float32Array;
  const { otherNames, ...rest } = place;
  const otherWeights: [string, Float32Array][] = [];
  for (const name of otherNames) otherWeights.push([name, await floats(`other.${name}`)]);
  return {
    ...rest,
    weights: await floats('weights'),
    moments: { first: await floats('first'), second: await floats('second') },
    bestWeights: await floats('best'),
    ...(otherWeights.length > 0 ? { otherWeights: Object.fromEntries(otherWeights) } : {}),
  };
}

export function deleteCheckpoint(transaction: WriteTransaction, runId: string): Promise<void> {
  return deleteBlobs(transaction, partsOfRun(runId, PREFIX));
}

/** Cloning a view clones all of its buffer. */
const withoutSurroundings = (values: Float32Array): Float32Array => (values.byteLength === values.buffer.byteLength ? values : values.slice());
