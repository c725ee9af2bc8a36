// The parts a pack may lack: the hard mixture's experts, the large model, the reservoir. Nothing of them is fetched before it is asked for. A part is verified
// and checked like the rest and then kept, so that asking again costs nothing; a failure leaves the pack as it was and the part can be asked for again.
import type { ModelConfig } from '../config/modelConfig.ts';
import type { Reservoir } from '../config/reservoir.ts';
import { UserError } from '../core/invariant.ts';
import type { TensorFile } from '../formats/tensorFile.ts';
import { expectedSmallModel } from './expectedTensors.ts';
import type { PackManifest } from './manifest.ts';
import { parseModelConfig } from './packConfig.ts';
import { parseReservoirLayout, readReservoirFile, RESERVOIR_FILE } from './reservoirFile.ts';
import { smallText } from './smallText.ts';
import { readVerifiedFiles, type PackOrigin, type ReadPackOptions } from './verifiedFiles.ts';
import { MismatchedFileError } from './verifiedStream.ts';
import { openWeightFile } from './weightFile.ts';

/** What the manifest lists; whether it can be fetched and is sound shows when it is read. */
export interface OptionalPartsListed {
  /** Experts of the hard mixture, one per cluster; 0 where they are not all listed. */
  readonly mixtureExperts: number;
  readonly largeModel: boolean;
  readonly reservoir: boolean;
}

export interface LargeModel {
  /** Of the same vocabulary as the small model. */
  readonly model: ModelConfig;
  readonly file: TensorFile;
}

/** Every reading rejects with a UserError, one sentence naming the file, when the pack lacks the part or it cannot be fetched or is wrong; aborting rejects with the signal's reason. */
export interface OptionalParts {
  readonly optional: OptionalPartsListed;
  /** Expert `index` of the hard mixture: a small model pretrained on cluster `index` alone. */
  readMixtureExpert(index: number, options?: ReadPackOptions): Promise<TensorFile>;
  /** The large model's shape alone: fetches its small config.json, not its weights. */
  readLargeShape(options?: ReadPackOptions): Promise<ModelConfig>;
  /** The large reference model and distillation teacher. */
  readLargeModel(options?: ReadPackOptions): Promise<LargeModel>;
  /** Generic text by cluster; stays in memory with the pack. */
  readReservoir(options?: ReadPackOptions): Promise<Reservoir>;
}

/** What the required files say that the optional ones must fit. */
export interface RequiredFacts {
  readonly model: ModelConfig;
  /** Number of clusters and experts. */
  readonly k: number;
  readonly windowTokens: number;
  readonly clustersJson: string;
}

const LARGE_CONFIG = 'llm/config.json';
const LARGE_WEIGHTS = 'llm/model.safetensors';
const mixtureFile = (index: number): string => `mix/${index}.safetensors`;

export function optionalParts(origin: PackOrigin, { model, k, windowTokens, clustersJson }: RequiredFacts): OptionalParts {
  const { manifest } = origin;
  const readPart = partReader(origin);
  return {
    optional: listedParts(manifest, k),

    async readMixtureExpert(index, options = {}) {
      if (!(Number.isInteger(index) && index >= 0 && index < k)) throw new UserError(`There is no expert ${index} in the hard mixture; this pack has experts 0 to ${k - 1}.`);
      requireListed(manifest, 'all experts of the hard mixture', Array.from({ length: k }, (_, expert) => mixtureFile(expert)));
      const name = mixtureFile(index);
      return readPart([name], options, async (obtain) => openWeightFile(await obtain(name), name, () => expectedSmallModel(model), { signal: options.signal }));
    },

    async readLargeShape(options = {}) {
      requireListed(manifest, 'a large model', [LARGE_CONFIG, LARGE_WEIGHTS]);
      return readPart([LARGE_CONFIG], options, async (obtain) => parseLargeConfig(await obtain(LARGE_CONFIG), model));
    },

    async readLargeModel(options = {}) {
      requireListed(manifest, 'a large model', [LARGE_CONFIG, LARGE_WEIGHTS]);
      return readPart([LARGE_CONFIG, LARGE_WEIGHTS], options, async (obtain) => {
        const large = await parseLargeConfig(await obtain(LARGE_CONFIG), model);
        const file = await openWeightFile(await obtain(LARGE_WEIGHTS), LARGE_WEIGHTS, () => expectedSmallModel(large), { configFile: LARGE_CONFIG, signal: options.signal });
        return { model: large, file };
      });
    },

    async readReservoir(options = {}) {
      requireListed(manifest, 'a reservoir of generic text', [RESERVOIR_FILE]);
      return readPart([RESERVOIR_FILE], options, async (obtain) => {
        const layout = parseReservoirLayout(clustersJson, k, windowTokens, manifest.files.get(RESERVOIR_FILE)!.bytes);
        return readReservoirFile(await obtain(RESERVOIR_FILE), layout, model.vocabSize);
      });
    },
  };
}

/** @throws UserError one sentence naming the file and the field */
async function parseLargeConfig(file: Blob, small: ModelConfig): Promise<ModelConfig> {
  const large = parseModelConfig(await smallText(file, LARGE_CONFIG), LARGE_CONFIG);
  if (large.vocabSize !== small.vocabSize) {
    throw new UserError(`${LARGE_CONFIG}: vocab_size is ${large.vocabSize}, but config.json says ${small.vocabSize}, and both models must have the same tokens.`);
  }
  return large;
}

function listedParts({ files }: PackManifest, k: number): OptionalPartsListed {
  const isMixtureComplete = Array.from({ length: k }, (_, index) => files.has(mixtureFile(index))).every(Boolean);
  return { mixtureExperts: isMixtureComplete ? k : 0, largeModel: files.has(LARGE_CONFIG) && files.has(LARGE_WEIGHTS), reservoir: files.has(RESERVOIR_FILE) };
}

function requireListed({ name, files }: PackManifest, part: string, wanted: readonly string[]): void {
  const absent = wanted.find((file) => !files.has(file));
  if (absent) throw new UserError(`The pack ${name} does not have ${part}: ${absent} is not in its pack.json.`);
}

type ReadPart = <T>(names: readonly string[], options: ReadPackOptions, read: (obtain: (name: string) => Promise<Blob>) => Promise<T>) => Promise<T>;

/** Reads parts one at a time, so that two who ask for the same one fetch it once and never write the same cached file together; keeps what was read. */
function partReader(origin: PackOrigin): ReadPart {
  const { files, cache } = origin;
  const kept = new Map<string, unknown>();
  let queue: Promise<unknown> = Promise.resolve();

  return <T>(names: readonly string[], options: ReadPackOptions, read: (obtain: (name: string) => Promise<Blob>) => Promise<T>): Promise<T> => {
    const key = names.join();
    const turn = queue;
    const reading = (async (): Promise<T> => {
      await untilAborted(turn, options.signal);
      if (!kept.has(key)) kept.set(key, (await readVerifiedFiles(origin, names, options, read)).contents);
      return kept.get(key) as T;
    })().catch(async (error: unknown) => {
      // The pack on the server is another one by now: the next visit must not believe the manifest of an earlier one.
      if (error instanceof MismatchedFileError && files.url) await cache?.removeManifest(files.url);
      throw error;
    });
    queue = Promise.allSettled([turn, reading]).then(() => undefined);
    return reading;
  };
}

/** Waits for `promise`, which never rejects. @throws the signal's reason as soon as it aborts */
async function untilAborted(promise: Promise<unknown>, signal?: AbortSignal): Promise<void> {
  if (!signal) return void (await promise);
  signal.throwIfAborted();
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => { onAbort = () => reject(signal.reason as Error); });
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
