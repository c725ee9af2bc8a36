// Opens a pack: manifest, verified files, then their contents, all checked before anything is handed out.
//
// A second visit downloads nothing, pack.json included: its text is cached under its address and used while all its files are there. So a pack
// that changed on the server is noticed only after clearPackCache() (or when a cached file proves damaged). We chose that over a conditional
// request because it works offline and because "nothing leaves the page" is then plain to see; a new pack is better served under a new address.
import { UserError } from '../core/invariant.ts';
import type { ModelConfig, ProjectedNetworkConfig } from '../config/modelConfig.ts';
import { openTensorFile, requireFiniteTensors, type TensorFile } from '../formats/tensorFile.ts';
import { expectedProjectedNetwork, expectedSmallModel, requireTensors, type ExpectedTensor } from './expectedTensors.ts';
import { MANIFEST_NAME, MAX_MANIFEST_BYTES, parseManifest, provenanceSentences, REQUIRED_FILES, type PackManifest, type RequiredFile } from './manifest.ts';
import { CacheError, openPackCache, type PackCache } from './packCache.ts';
import { readPackClusters, type Centroids, type PackCluster } from './packClusters.ts';
import { parsePackConfig } from './packConfig.ts';
import { packFiles, type PackFiles, type PackSource } from './packFiles.ts';
import { createPackStore } from './packStore.ts';
import { readTokenizerFiles, type TokenizerFiles } from './tokenizerFiles.ts';
import { readText } from './verifiedStream.ts';

/** Progress over the whole pack: `bytesLoaded` of `bytesTotal` bytes are verified, `file` is the one being read. */
export interface PackProgress {
  readonly file: string;
  readonly bytesLoaded: number;
  readonly bytesTotal: number;
  readonly fromCache: boolean;
}

export interface OpenPackOptions {
  readonly onProgress?: (progress: PackProgress) => void;
  /** Aborting rejects with the signal's reason; verified files stay cached, so that the next try goes on from there. */
  readonly signal?: AbortSignal;
}

export interface Pack extends TokenizerFiles {
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
  /** Size of the files that were opened. */
  readonly bytes: number;
  /** Bytes downloaded in this call; 0 when all was cached or dropped. */
  readonly downloadedBytes: number;
  /** A sentence when the cache does not work. */
  readonly cacheWarning?: string;
  /** A readable sentence or two on where the pack came from. */
  readonly provenance: string;
}

/** @throws UserError one sentence naming the file (and tensor or field) that is wrong; AbortError when cancelled */
export async function openPack(source: PackSource, options: OpenPackOptions = {}): Promise<Pack> {
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

async function openFrom(files: PackFiles, cache: PackCache | undefined, manifestText: string, manifestBytes: number, options: OpenPackOptions): Promise<Pack> {
  const manifest = parseManifest(manifestText);
  const store = createPackStore(files, cache);
  const bytes = REQUIRED_FILES.reduce((sum, name) => sum + manifest.files.get(name)!.bytes, 0);
  const report = progressReporter(bytes, options.onProgress);
  let obtained = 0;
  let obtaining = false;
  const obtain = async (name: RequiredFile): Promise<Blob> => {
    const expected = manifest.files.get(name)!;
    obtaining = true;
    const blob = await store.obtain(name, expected, { onBytes: (count, fromCache) => report(name, obtained + count, fromCache), signal: options.signal });
    obtaining = false;
    obtained += expected.bytes;
    return blob;
  };
  try {
    const contents = await readContents(obtain, options.signal);
    return {
      name: manifest.name, origin: files.origin, manifest, bytes, provenance: provenanceSentences(manifest),
      downloadedBytes: store.downloadedBytes() + manifestBytes, cacheWarning: store.cacheWarning(), ...contents,
    };
  } catch (error) {
    // A broken connection leaves the files before it for the next try; a pack that is wrong in itself leaves nothing.
    if (error instanceof UserError && !obtaining) await store.forgetStored();
    throw error;
  }
}

type ReportBytes = (file: RequiredFile, bytesLoaded: number, fromCache: boolean) => void;

/** Passes on the first and last report of each file and otherwise one per 1/256 of the pack, whatever the size of the chunks. */
function progressReporter(bytesTotal: number, onProgress?: (progress: PackProgress) => void): ReportBytes {
  let reportedFile = '';
  let reportedBytes = 0;
  return (file, bytesLoaded, fromCache) => {
    if (file === reportedFile && bytesLoaded < bytesTotal && Math.abs(bytesLoaded - reportedBytes) < bytesTotal / 256) return;
    reportedFile = file;
    reportedBytes = bytesLoaded;
    onProgress?.({ file, bytesLoaded, bytesTotal, fromCache });
  };
}

type PackContents = Omit<Pack, 'name' | 'origin' | 'manifest' | 'bytes' | 'downloadedBytes' | 'cacheWarning' | 'provenance'>;

/** Reads and checks file by file, what is small first, so that a wrong pack fails before its large files are fetched. */
async function readContents(obtain: (name: RequiredFile) => Promise<Blob>, signal?: AbortSignal): Promise<PackContents> {
  const text = async (name: RequiredFile): Promise<string> => smallText(await obtain(name), name);
  const { model, projectedNetwork } = parsePackConfig(await text('config.json'));
  const tokenizer = readTokenizerFiles(await text('tokenizer.json'), await text('tokenizer_config.json'), model.vocabSize);
  const clusters = await readPackClusters(await text('clusters.json'), await obtain('clusters.safetensors'), projectedNetwork.k);
  const encoder = await obtain('encoder.onnx');
  const weights = async (name: RequiredFile, expectedIn: (found: TensorFile['tensors']) => ReadonlyMap<string, ExpectedTensor>): Promise<TensorFile> => {
    const file = await openTensorFile(await obtain(name), name);
    requireTensors(name, file.tensors, expectedIn(file.tensors));
    await requireFiniteTensors(file, signal);
    return file;
  };
  const slm = await weights('slm.safetensors', () => expectedSmallModel(model));
  const pn = await weights('pn.safetensors', (found) => expectedProjectedNetwork(model, projectedNetwork, found));
  const readEncoder = async (): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(await encoder.arrayBuffer());
  return { model, projectedNetwork, ...tokenizer, ...clusters, slm, pn, readEncoder };
}

const MAX_TEXT_BYTES = 128 << 20;

async function smallText(blob: Blob, name: string): Promise<string> {
  if (blob.size > MAX_TEXT_BYTES) throw new UserError(`${name} has ${blob.size} bytes, too many for what it should be.`);
  return blob.text();
}
