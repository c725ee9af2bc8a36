// Opens a pack: manifest, verified files, then their contents, all checked before anything is handed out.
//
// A second visit downloads nothing, pack.json included: its text is cached under its address and used while all its files are there. So a pack
// that changed on the server is noticed only after clearPackCache() (or when a cached file proves damaged). We chose that over a conditional
// request because it works offline and because "nothing leaves the page" is then plain to see; a new pack is better served under a new address.
import { UserError } from '../core/invariant.ts';
import type { ModelConfig, ProjectedNetworkConfig } from '../config/modelConfig.ts';
import type { TensorFile } from '../formats/tensorFile.ts';
import { expectedProjectedNetwork, expectedSmallModel } from './expectedTensors.ts';
import { MANIFEST_NAME, MAX_MANIFEST_BYTES, parseManifest, provenanceSentences, REQUIRED_FILES, type PackManifest, type RequiredFile } from './manifest.ts';
import { optionalParts, type OptionalParts, type RequiredFacts } from './optionalParts.ts';
import { CacheError, openPackCache, type PackCache } from './packCache.ts';
import { readPackClusters, type Centroids, type PackCluster } from './packClusters.ts';
import { parsePackConfig } from './packConfig.ts';
import { packFiles, type PackFiles, type PackSource } from './packFiles.ts';
import { smallText } from './smallText.ts';
import { readTokenizerFiles, type TokenizerFiles } from './tokenizerFiles.ts';
import { readVerifiedFiles, type PackOrigin, type ReadPackOptions } from './verifiedFiles.ts';
import { readText } from './verifiedStream.ts';
import { openWeightFile } from './weightFile.ts';

/** An opened pack. Its optional parts are fetched when they are read (OptionalParts). */
export interface Pack extends TokenizerFiles, OptionalParts {
  readonly name: string;
  /** The address or the dropped folder's name. */
  readonly origin: string;
  readonly manifest: PackManifest;
  readonly model: ModelConfig;
  readonly projectedNetwork: ProjectedNetworkConfig;
  readonly clusters: readonly PackCluster[];
  readonly centroids: Centroids;
  readonly windowTokens: number;
  readEncoder(): Promise<Uint8Array<ArrayBuffer>>;
  /** The plain small model. */
  readonly slm: TensorFile;
  /** The projected network: shared weights, E, and every MLP matrix's M and T. */
  readonly pn: TensorFile;
  /** Size of the required files. */
  readonly bytes: number;
  /** Bytes downloaded in this call; 0 when all was cached or dropped. */
  readonly downloadedBytes: number;
  /** A sentence when the cache does not work. */
  readonly cacheWarning?: string;
  /** A readable sentence or two on where the pack came from. */
  readonly provenance: string;
}

/** @throws UserError one sentence naming the file (and tensor or field) that is wrong; AbortError when cancelled */
export async function openPack(source: PackSource, options: ReadPackOptions = {}): Promise<Pack> {
  const files = packFiles(source);
  const { cache, warning } = files.url ? await openCache() : {};
  if (files.url && cache) {
    const text = await cachedManifest(cache, files.url);
    try {
      if (text) return await openFrom(files, cache, text, 0, options);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      // A damaged cached file was downloaded again and is another one by now: the pack on the server has changed.
      await cache.removeManifest(files.url);
    }
  }
  const text = await readText(await files.open(MANIFEST_NAME, options.signal), MANIFEST_NAME, MAX_MANIFEST_BYTES, options.signal);
  const pack = await openFrom(files, cache, text, files.url ? new TextEncoder().encode(text).length : 0, options);
  if (files.url && cache && !pack.cacheWarning) await cache.writeManifest(files.url, text).catch(() => undefined);
  return warning ? { ...pack, cacheWarning: warning } : pack;
}

async function openCache(): Promise<{ cache?: PackCache; warning?: string }> {
  try {
    return { cache: await openPackCache() };
  } catch (error) {
    if (!(error instanceof CacheError)) throw error;
    return { warning: `${error.message}, so the pack is kept in memory and will be downloaded again on the next visit.` };
  }
}

/** The manifest of an earlier visit, if all files it needs are still there. */
async function cachedManifest(cache: PackCache, url: string): Promise<string | undefined> {
  const text = await cache.readManifest(url);
  if (!text) return undefined;
  try {
    const { files } = parseManifest(text);
    for (const name of REQUIRED_FILES) {
      const { sha256, bytes } = files.get(name)!;
      if (!(await cache.find(sha256, bytes))) return undefined;
    }
    return text;
  } catch {
    return undefined;
  }
}

async function openFrom(files: PackFiles, cache: PackCache | undefined, manifestText: string, manifestBytes: number, options: ReadPackOptions): Promise<Pack> {
  const manifest = parseManifest(manifestText);
  const origin: PackOrigin = { files, cache, manifest };
  const { contents: { clustersJson, ...contents }, downloadedBytes, cacheWarning } = await readVerifiedFiles(origin, REQUIRED_FILES, options, (obtain) => readContents(obtain, options.signal));
  const bytes = REQUIRED_FILES.reduce((sum, name) => sum + manifest.files.get(name)!.bytes, 0);
  const { model, projectedNetwork: { k }, windowTokens } = contents;
  return {
    name: manifest.name, origin: files.origin, manifest, bytes, provenance: provenanceSentences(manifest), downloadedBytes: downloadedBytes + manifestBytes, cacheWarning,
    ...contents, ...optionalParts(origin, { model, k, windowTokens, clustersJson }),
  };
}

type PackContents = Omit<Pack, 'name' | 'origin' | 'manifest' | 'bytes' | 'downloadedBytes' | 'cacheWarning' | 'provenance' | keyof OptionalParts> & Pick<RequiredFacts, 'clustersJson'>;

/** Reads and checks file by file, what is small first, so that a wrong pack fails before its large files are fetched. */
async function readContents(obtain: (name: RequiredFile) => Promise<Blob>, signal?: AbortSignal): Promise<PackContents> {
  const text = async (name: RequiredFile): Promise<string> => smallText(await obtain(name), name);
  const { model, projectedNetwork } = parsePackConfig(await text('config.json'));
  const tokenizer = readTokenizerFiles(await text('tokenizer.json'), await text('tokenizer_config.json'), model.vocabSize);
  const clustersJson = await text('clusters.json');
  const clusters = await readPackClusters(clustersJson, await obtain('clusters.safetensors'), projectedNetwork.k);
  const encoder = await obtain('encoder.onnx');
  const slm = await openWeightFile(await obtain('slm.safetensors'), 'slm.safetensors', () => expectedSmallModel(model), { signal });
  const pn = await openWeightFile(await obtain('pn.safetensors'), 'pn.safetensors', (found) => expectedProjectedNetwork(model, projectedNetwork, found), { signal });
  const readEncoder = async (): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(await encoder.arrayBuffer());
  return { model, projectedNetwork, ...tokenizer, ...clusters, clustersJson, slm, pn, readEncoder };
}
