// Opening packs in Node, from files as a dropped folder gives them: the good one, and every way to be bad, each with one sentence.
import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatCount, formatPerplexity } from '../core/format.ts';
import { buildTinyPack, type TinyPackOptions, type TinyTensor } from '../testing/tinyPack.ts';
import { openPack } from './openPack.ts';
import type { PackProgress } from './verifiedFiles.ts';

/** Paths of all files of a folder, relative to it. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, '/'));
}

const openTiny = async (options: TinyPackOptions = {}) => openPack({ kind: 'files', files: await buildTinyPack(options) });

/** The sentence a bad pack gives; anything but one UserError sentence fails. */
async function sentenceFor(options: TinyPackOptions): Promise<string> {
  const error = await openTiny(options).then(() => undefined, (thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: 'UserError' });
  const { message } = error as Error;
  expect(message).toMatch(/^[^\n]+\.$/);
  return message;
}

const setFloat = (tensor: TinyTensor, index: number, value: number): void => new DataView(tensor.bytes.buffer).setFloat32(index * 4, value, true);
const setHalf = (tensor: TinyTensor, index: number, bits: number): void => new DataView(tensor.bytes.buffer).setUint16(index * 2, bits, true);
const inFile = (wanted: string, edit: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>) =>
  (file: string, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => (file === wanted ? edit(bytes) : bytes);
const editTensor = (wanted: string, name: string, edit: (tensor: TinyTensor, tensors: Map<string, TinyTensor>) => void): TinyPackOptions => ({
  editTensors: (file, tensors) => { if (file === wanted) edit(tensors.get(name)!, tensors); },
});
const jsonEdit = (edit: (value: Record<string, never>) => void) => (bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => {
  const value = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, never>;
  edit(value);
  return new TextEncoder().encode(JSON.stringify(value));
};

describe('openPack', () => {
  it('opens a complete pack from a dropped folder and reports progress to its last byte', async () => {
    const progress: PackProgress[] = [];
    const pack = await openPack({ kind: 'files', files: await buildTinyPack() }, { onProgress: (event) => progress.push(event) });
    expect(pack).toMatchObject({ name: 'tiny', origin: 'tiny', downloadedBytes: 0, windowTokens: 1024, provenance: 'Random weights for tests.' });
    expect(pack.cacheWarning).toBeUndefined();
    expect(pack.model).toEqual({ vocabSize: 264, hiddenSize: 16, intermediateSize: 24, numHiddenLayers: 2, numAttentionHeads: 2, headDim: 8, maxPositionEmbeddings: 32, rmsNormEps: 1e-5, ropeTheta: 10000 });
    expect(pack.projectedNetwork).toEqual({ h: 3, k: 4, m: 5 });
    expect(pack.clusters.map(({ genericShare }) => genericShare)).toEqual([0.1, 0.2, 0.3, 0.4]);
    expect(pack.clusters[2]).toMatchObject({ index: 2, label: 'label 2', topTerms: ['term2a', 'term2b'], genericTokens: 3000 });
    expect(pack.centroids).toMatchObject({ k: 4, dimension: 6 });
    expect(pack.pn.tensors.get('model.layers.1.mlp.down_proj.T')!.shape).toEqual([3, 16, 24]);
    expect(await pack.slm.readFloats('model.norm.weight')).toHaveLength(16);
    expect(await pack.readEncoder()).toHaveLength(4);
    expect(progress.at(-1)).toMatchObject({ file: 'pn.safetensors', bytesLoaded: pack.bytes, bytesTotal: pack.bytes, fromCache: false });
    expect(progress.every(({ bytesLoaded }, i) => i === 0 || bytesLoaded >= progress[i - 1].bytesLoaded)).toBe(true);
  });

  it('opens slices in 8 bits with a scale per row', async () => {
    const pack = await openTiny({ sliceBits: 8 });
    expect(pack.pn.tensors.get('model.layers.1.mlp.down_proj.T')).toMatchObject({ dtype: 'I8', shape: [3, 16, 24] });
    expect(pack.pn.tensors.get('model.layers.1.mlp.down_proj.T_scale')).toMatchObject({ dtype: 'F32', shape: [3, 16] });
  });

  it('leaves the optional files alone, whatever their names', async () => {
    const entry = { bytes: 5, sha256: 'a'.repeat(64) };
    const files = await buildTinyPack();
    const manifest = JSON.parse(await files.find(({ path }) => path === 'tiny/pack.json')!.file.text()) as { files: Record<string, { bytes: number; sha256: string }> };
    const optional = ['README.md', 'reservoir.bin', 'mix/0.safetensors', 'llm/config.json', 'llm/model.safetensors', 'notes/from/2031.txt'];
    for (const name of optional) manifest.files[name] = entry;
    // None of them is there, and opening one would fail its hash.
    const pack = await openPack({ kind: 'files', files: files.map(({ path, file }) => (path === 'tiny/pack.json' ? { path, file: new Blob([JSON.stringify(manifest)]) } : { path, file })) });
    expect([...pack.manifest.files.keys()]).toEqual(expect.arrayContaining(optional));
    expect(pack.bytes).toBe(Object.entries(manifest.files).reduce((sum, [name, { bytes }]) => sum + (optional.includes(name) ? 0 : bytes), 0));
  });

  it('opens the bundled nano pack', async () => {
    const folder = join(import.meta.dirname, '../../public/packs/nano');
    const contents = new Map(await Promise.all((await filesBelow(folder)).map(async (name) => [name, new Uint8Array(await readFile(join(folder, name)))] as const)));
    const pack = await openPack({ kind: 'files', files: [...contents].map(([name, bytes]) => ({ path: `/nano/${name}`, file: new Blob([bytes]) })) });
    expect(pack).toMatchObject({ name: 'nano', projectedNetwork: { h: 8, k: 16, m: 16 }, centroids: { k: 16, dimension: 64 } });
    expect(pack.clusters.reduce((sum, { genericShare }) => sum + genericShare, 0)).toBeCloseTo(1, 6);
    const { provenance } = JSON.parse(new TextDecoder().decode(contents.get('pack.json'))) as { provenance: { trained_tokens: number; generic_validation_perplexity: { slm: number; pn: number } } };
    const { slm, pn } = provenance.generic_validation_perplexity;
    expect(pack.provenance).toContain(`Pretrained on ${formatCount(provenance.trained_tokens)} tokens from `);
    expect(pack.provenance).toContain(`${formatPerplexity(pn)}, against ${formatPerplexity(slm)} for the plain small model.`);
    // The files that are fetched only when asked for are here too, and nothing else is.
    const found = Object.fromEntries([...contents].map(([name, bytes]) => [name, { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }]));
    expect({ ...Object.fromEntries(pack.manifest.files), 'pack.json': found['pack.json'] }).toEqual(found);
  });

  it('stops when cancelled', async () => {
    const controller = new AbortController();
    const opening = openPack({ kind: 'files', files: await buildTinyPack() }, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(opening).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('a damaged pack', () => {
  it.each(['config.json', 'tokenizer.json', 'clusters.safetensors', 'encoder.onnx', 'slm.safetensors', 'pn.safetensors'])('with one flipped bit in %s', async (name) => {
    const sentence = await sentenceFor({ damageFile: inFile(name, (bytes) => { const copy = bytes.slice(); copy[copy.length >> 1] ^= 1; return copy; }) });
    expect(sentence).toContain(`${name} is damaged: its SHA-256 is`);
  });

  it('with a truncated file', async () => {
    expect(await sentenceFor({ damageFile: inFile('pn.safetensors', (bytes) => bytes.slice(0, 1000)) })).toMatch(/^pn\.safetensors is truncated: it has 1000 bytes, but pack\.json says \d+\.$/);
  });

  it('with a file that is too long', async () => {
    expect(await sentenceFor({ damageFile: inFile('slm.safetensors', (bytes) => { const copy = new Uint8Array(bytes.length + 1); copy.set(bytes); return copy; }) })).toMatch(/^slm\.safetensors is longer than/);
  });

  it('with a missing file', async () => {
    expect(await sentenceFor({ damageFile: (file, bytes) => (file === 'encoder.onnx' ? undefined : bytes) })).toBe('encoder.onnx is missing in the folder tiny.');
  });
});

describe('a hostile pack whose hashes are right', () => {
  it('with a header length of 2^60', async () => {
    const sentence = await sentenceFor({ editFile: inFile('pn.safetensors', (bytes) => { new DataView(bytes.buffer).setBigUint64(0, 2n ** 60n, true); return bytes; }) });
    expect(sentence).toContain('pn.safetensors declares a header of 1152921504606846976 bytes');
  });

  it('with a truncated tensor file', async () => {
    expect(await sentenceFor({ editFile: inFile('slm.safetensors', (bytes) => bytes.slice(0, -1)) })).toMatch(/^slm\.safetensors: tensor .* ends at byte \d+, but the file has only \d+ bytes\.$/);
  });

  it('with NaN or infinite weights', async () => {
    const name = 'model.layers.1.mlp.up_proj.T';
    expect(await sentenceFor(editTensor('pn.safetensors', name, (tensor) => setHalf(tensor, 7, 0x7e01)))).toBe(`pn.safetensors: tensor ${name} holds a value that is NaN or infinite (element 7).`);
    expect(await sentenceFor(editTensor('pn.safetensors', 'projected_network.E', (tensor) => setFloat(tensor, 3, Infinity)))).toBe('pn.safetensors: tensor projected_network.E holds a value that is NaN or infinite (element 3).');
    expect(await sentenceFor(editTensor('slm.safetensors', 'model.norm.weight', (tensor) => setFloat(tensor, 0, NaN)))).toContain('slm.safetensors: tensor model.norm.weight holds');
    expect(await sentenceFor(editTensor('clusters.safetensors', 'centroids', (tensor) => setFloat(tensor, 1, NaN)))).toContain('clusters.safetensors: tensor centroids holds');
    expect(await sentenceFor(editTensor('clusters.safetensors', 'generic_frequency', (tensor) => setFloat(tensor, 1, -1)))).toContain('clusters.safetensors: tensor generic_frequency must hold shares');
  });

  it('with a tensor of the wrong shape, dtype or name', async () => {
    const name = 'model.layers.0.self_attn.k_proj.weight';
    expect(await sentenceFor(editTensor('slm.safetensors', name, (tensor) => { tensor.shape = [8, 32]; }))).toBe(`slm.safetensors: tensor ${name} has shape [8, 32], but the pack's config.json asks for [16, 16].`);
    expect(await sentenceFor(editTensor('pn.safetensors', name, (tensor) => { tensor.dtype = 'F32'; tensor.shape = [16, 8]; }))).toContain(`pn.safetensors: tensor ${name} has shape [16, 8]`);
    expect(await sentenceFor(editTensor('pn.safetensors', 'model.norm.weight', (tensor) => { tensor.dtype = 'F16'; tensor.bytes = tensor.bytes.slice(0, 32); }))).toBe('pn.safetensors: tensor model.norm.weight is stored as F16, where F32 is expected.');
    expect(await sentenceFor(editTensor('pn.safetensors', name, (_tensor, tensors) => tensors.delete(name)))).toContain(`pn.safetensors has no tensor ${name}`);
    expect(await sentenceFor(editTensor('slm.safetensors', name, (tensor, tensors) => tensors.set('lm_head.weight', tensor)))).toContain('slm.safetensors holds a tensor lm_head.weight');
  });

  it('with slices in 8 bits whose scales are missing, misshapen or not finite, or with scales for no slices', async () => {
    const slices = 'model.layers.1.mlp.up_proj.T';
    const withScales = (edit: (scales: TinyTensor, tensors: Map<string, TinyTensor>) => void): TinyPackOptions => ({ sliceBits: 8, ...editTensor('pn.safetensors', `${slices}_scale`, edit) });
    expect(await sentenceFor(withScales((_scales, tensors) => tensors.delete(`${slices}_scale`)))).toBe(`pn.safetensors has no tensor ${slices}_scale, which the pack's config.json asks for.`);
    expect(await sentenceFor(withScales((scales) => { scales.shape = [24, 3]; }))).toContain(`tensor ${slices}_scale has shape [24, 3], but the pack's config.json asks for [3, 24]`);
    expect(await sentenceFor(withScales((scales) => setFloat(scales, 5, NaN)))).toContain(`tensor ${slices}_scale holds a value that is NaN or infinite (element 5)`);
    expect(await sentenceFor(editTensor('pn.safetensors', 'projected_network.E', (vectors, tensors) => tensors.set(`${slices}_scale`, vectors)))).toContain(`pn.safetensors holds a tensor ${slices}_scale`);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['grouped attention', { num_key_value_heads: 1 }, 'config.json: num_key_value_heads (1) must equal num_attention_heads (2)'],
    ['an untied head', { tie_word_embeddings: false }, 'config.json: tie_word_embeddings must be true'],
    ['another activation', { hidden_act: 'gelu' }, 'config.json: hidden_act must be "silu"'],
    ['another architecture', { model_type: 'gpt2' }, 'config.json: model_type must be "llama"'],
    ['scaled positions', { rope_scaling: { type: 'linear', factor: 2 } }, 'config.json: rope_scaling must be null'],
    ['a head size off the grid', { hidden_size: 12, head_dim: 6 }, 'config.json: head_dim must be a multiple of 4'],
    ['heads that do not fill the width', { head_dim: 4 }, 'config.json: num_attention_heads times head_dim (2 x 4) must equal hidden_size (16)'],
    ['a width of 2^60', { hidden_size: 2 ** 60 }, 'config.json: hidden_size must be a whole number between 4 and 16384, but it is 1152921504606847000'],
    ['a text for a number', { num_hidden_layers: '2' }, 'config.json: num_hidden_layers must be a whole number between 1 and 256, but it is "2"'],
    ['another h than the tensors have', { projected_network: { h: 4, k: 4, m: 5 } }, 'pn.safetensors: tensor model.layers.0.mlp.gate_proj.M has shape [5, 3]'],
    ['no h', { projected_network: { k: 4, m: 5 } }, 'config.json: projected_network.h must be a whole number between 1 and 4096, but it is missing'],
    ['another k than the clusters have', { projected_network: { h: 3, k: 5, m: 5 } }, 'clusters.safetensors: tensor centroids has shape [4, 6], but config.json says k = 5'],
    ['a vocabulary smaller than the tokenizer', { vocab_size: 200 }, 'tokenizer.json has the token id 200, but config.json says vocab_size = 200'],
  ])('with %s', async (_case, config, sentence) => {
    expect(await sentenceFor({ config })).toContain(sentence);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['an unknown version', { format_version: 2 }, 'pack.json: format_version must be 1'],
    ['another format', { format: 'zip' }, 'pack.json: format must be "projected-network-pack"'],
    ['no files', { files: undefined }, 'pack.json: files must be an object, but it is missing'],
    ['a path that escapes', { files: { '../secret': { bytes: 1, sha256: 'a'.repeat(64) } } }, 'pack.json lists a file named "../secret"'],
    ['an address as a path', { files: { 'https://example.org/x': { bytes: 1, sha256: 'a'.repeat(64) } } }, 'pack.json lists a file named "https://example.org/x"'],
    ['a hash that is none', { files: { 'config.json': { bytes: 1, sha256: 'g'.repeat(64) } } }, 'pack.json: files.config.json.sha256 must be 64 hexadecimal digits'],
    ['a negative size', { files: { 'config.json': { bytes: -1, sha256: 'a'.repeat(64) } } }, 'pack.json: files.config.json.bytes must be a whole number'],
    ['a required file unlisted', { files: {} }, 'pack.json does not list config.json'],
  ])('with a manifest of %s', async (_case, manifest, sentence) => {
    expect(await sentenceFor({ manifest })).toContain(sentence);
  });

  it('with clusters that do not fit', async () => {
    expect(await sentenceFor({ clusters: { clusters: [] } })).toBe('clusters.json describes 0 clusters, but config.json says k = 4.');
    expect(await sentenceFor({ clusters: { window_tokens: 4096 } })).toContain('clusters.json: window_tokens must be a whole number between 1 and 1024');
    expect(await sentenceFor({ editFile: inFile('clusters.json', jsonEdit((json) => { (json.clusters as { index: number }[])[2].index = 0; })) })).toContain('clusters.json: clusters[2].index must be 2');
  });

  it('with text that is no JSON', async () => {
    expect(await sentenceFor({ editFile: inFile('config.json', () => new TextEncoder().encode('{')) })).toBe('config.json is not valid JSON.');
  });
});

describe('where a pack is looked for', () => {
  it('says that dropped files are no pack, or several', async () => {
    await expect(openPack({ kind: 'files', files: [{ path: 'a.txt', file: new Blob(['x']) }] })).rejects.toThrow('There is no pack.json among the dropped files');
    const two = (await buildTinyPack()).flatMap((entry) => [entry, { ...entry, path: `other/${entry.path}` }]);
    await expect(openPack({ kind: 'files', files: two })).rejects.toThrow('holds 2 packs');
  });

  it('says that an address is none', async () => {
    await expect(openPack({ kind: 'url', url: 'not an address' })).rejects.toThrow('"not an address" is not an address');
    await expect(openPack({ kind: 'url', url: 'file:///etc/' })).rejects.toThrow('not from file:.');
  });
});
