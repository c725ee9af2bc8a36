// The tiny pack with every optional part: mixture experts, large model, reservoir. Experts and large model are the plain models of other tiny packs. Tests
// break it through TinyPackOptions, which see the optional files under their own names.
import { buildTinyPack, type TinyPackFile, type TinyPackOptions } from './tinyPack.ts';

const NUM_CLUSTERS = 4;

/** Shape of the large model; what is absent is as in the small one. */
export const TINY_LARGE_SHAPE = { hiddenSize: 24, intermediateSize: 40, numAttentionHeads: 3 } as const;

/** Windows' lengths per cluster and part of the default reservoir: the clusters have different amounts, and cluster 3 has no training text. */
export const TINY_RESERVOIR_WINDOWS: readonly TinyReservoirWindows[] = [
  { train: [400, 150, 90], held_out: [60] },
  { train: [300], held_out: [] },
  { train: [1024, 512, 17, 1], held_out: [40, 25] },
  { train: [], held_out: [33] },
];

export interface TinyReservoirWindows {
  readonly train: readonly number[];
  readonly held_out: readonly number[];
}

const TOKENS_PER_CLUSTER = 60;

/** Token `place` of cluster `cluster`'s part: ids tell the cluster, and 0 never occurs. */
export const tinyReservoirToken = (cluster: number, place: number): number => 1 + cluster * TOKENS_PER_CLUSTER + ((place * 7) % TOKENS_PER_CLUSTER);

/** clusters.json's "reservoir" for these windows, end to end. */
export function describeReservoir(windows: readonly TinyReservoirWindows[]): Record<string, unknown> {
  let position = 0;
  const part = (lengths: readonly number[]) => ({ begin: position, end: (position += sum(lengths)), windows: [...lengths] });
  const clusters = windows.map(({ train, held_out }, index) => ({ index, train: part(train), held_out: part(held_out) }));
  return { file: 'reservoir.bin', dtype: 'uint16', tokens: position, clusters, sources: 'all' };
}

/** The pack's files, below the folder "tiny/". The same options give the same bytes. */
export async function buildFullTinyPack(options: TinyPackOptions = {}): Promise<TinyPackFile[]> {
  const parts = new Map<string, Uint8Array<ArrayBuffer>>();
  const addFrom = async (renamed: Readonly<Record<string, string>>, changes: TinyPackOptions): Promise<void> => {
    const editTensors: TinyPackOptions['editTensors'] = (file, tensors) => { if (renamed[file]) options.editTensors?.(renamed[file], tensors); };
    const files = await buildTinyPack({ ...options, ...changes, editTensors, editFile: undefined, damageFile: undefined });
    for (const [from, to] of Object.entries(renamed)) parts.set(to, await bytesOf(files, from));
  };
  for (let expert = 0; expert < NUM_CLUSTERS; expert++) await addFrom({ 'slm.safetensors': `mix/${expert}.safetensors` }, { seed: 100 + expert });
  await addFrom({ 'config.json': 'llm/config.json', 'slm.safetensors': 'llm/model.safetensors' }, { ...TINY_LARGE_SHAPE, seed: 200, config: { projected_network: undefined } });
  const windows = TINY_RESERVOIR_WINDOWS.flatMap(({ train, held_out }, cluster) => [train, held_out].map((lengths) => Uint16Array.from({ length: sum(lengths) }, (_, place) => tinyReservoirToken(cluster, place))));
  parts.set('reservoir.bin', await joined(windows));

  const required = await buildTinyPack({ ...options, clusters: { reservoir: describeReservoir(TINY_RESERVOIR_WINDOWS), ...options.clusters }, damageFile: undefined });
  const manifest = JSON.parse(new TextDecoder().decode(await bytesOf(required, 'pack.json'))) as { files: Record<string, { bytes: number; sha256: string }> };
  for (const [name, bytes] of parts) {
    const edited = options.editFile?.(name, bytes) ?? bytes;
    parts.set(name, edited);
    manifest.files[name] = { bytes: edited.length, sha256: await sha256Hex(edited) };
  }
  const files = new Map<string, Uint8Array<ArrayBuffer>>(parts);
  for (const { path } of required) files.set(path.replace('tiny/', ''), await bytesOf(required, path.replace('tiny/', '')));
  files.set('pack.json', new TextEncoder().encode(JSON.stringify(manifest)));
  return [...files].flatMap(([name, bytes]) => {
    const kept = options.damageFile ? options.damageFile(name, bytes) : bytes;
    return kept ? [{ path: `tiny/${name}`, file: new Blob([kept]) }] : [];
  });
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

async function bytesOf(files: readonly TinyPackFile[], name: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await files.find(({ path }) => path === `tiny/${name}`)!.file.arrayBuffer());
}

async function joined(parts: readonly Uint16Array<ArrayBuffer>[]): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Blob([...parts]).arrayBuffer());
}

async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
