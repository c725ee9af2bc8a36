// The optional parts of packs in Node, from files as a dropped folder gives them: what is listed, what is read, and every way to be wrong, each with one
// sentence, after which the pack still works.
import { describe, expect, it } from 'vitest';
import { buildTinyPack, type TinyPackOptions, type TinyTensor } from '../testing/tinyPack.ts';
import { buildFullTinyPack, describeReservoir, TINY_LARGE_SHAPE, TINY_RESERVOIR_WINDOWS, tinyReservoirToken } from '../testing/tinyPackParts.ts';
import { openPack, type Pack } from './openPack.ts';
import type { PackProgress } from './verifiedFiles.ts';

const openFull = async (options: TinyPackOptions = {}): Promise<Pack> => openPack({ kind: 'files', files: await buildFullTinyPack(options) });

/** The sentence a wrong part gives; anything but one UserError sentence fails, and so does a pack that no longer works. */
async function sentenceFor(read: (pack: Pack) => Promise<unknown>, options: TinyPackOptions): Promise<string> {
  const pack = await openFull(options);
  const error = await read(pack).then(() => undefined, (thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: 'UserError' });
  const { message } = error as Error;
  expect(message).toMatch(/^[^\n]+\.$/);
  await expect(read(pack)).rejects.toThrow(message);
  expect(await pack.slm.readFloats('model.norm.weight')).toHaveLength(16);
  return message;
}

const readExpert = (pack: Pack) => pack.readMixtureExpert(1);
const readLarge = (pack: Pack) => pack.readLargeModel();
const readReservoir = (pack: Pack) => pack.readReservoir();

type Bytes = Uint8Array<ArrayBuffer>;
const inFile = (wanted: string, edit: (bytes: Bytes) => Bytes) => (file: string, bytes: Bytes): Bytes => (file === wanted ? edit(bytes.slice()) : bytes);
const flipped = (bytes: Bytes): Bytes => { bytes[bytes.length >> 1] ^= 1; return bytes; };
const editTensor = (wanted: string, edit: (tensors: Map<string, TinyTensor>) => void): TinyPackOptions => ({ editTensors: (file, tensors) => { if (file === wanted) edit(tensors); } });
const editedJson = (edit: (json: Record<string, unknown>) => void) => (bytes: Bytes): Bytes => {
  const json = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  edit(json);
  return new TextEncoder().encode(JSON.stringify(json));
};

describe('what a pack lists', () => {
  it('is told without reading a byte of it', async () => {
    const pack = await openFull({ damageFile: (file, bytes) => (/^(mix|llm)\/|^reservoir/.test(file) ? undefined : bytes) });
    expect(pack.optional).toEqual({ mixtureExperts: 4, largeModel: true, reservoir: true });
  });

  it('is nothing in a pack without optional parts, and asking for them gives a sentence', async () => {
    const pack = await openPack({ kind: 'files', files: await buildTinyPack() });
    expect(pack.optional).toEqual({ mixtureExperts: 0, largeModel: false, reservoir: false });
    await expect(pack.readMixtureExpert(0)).rejects.toThrow('The pack tiny does not have all experts of the hard mixture: mix/0.safetensors is not in its pack.json.');
    await expect(pack.readLargeModel()).rejects.toThrow('The pack tiny does not have a large model: llm/config.json is not in its pack.json.');
    await expect(pack.readReservoir()).rejects.toThrow('The pack tiny does not have a reservoir of generic text: reservoir.bin is not in its pack.json.');
  });

  it('counts an incomplete mixture and half a large model as none', async () => {
    const unlisted = editedJson(({ files }) => { for (const name of ['mix/2.safetensors', 'llm/model.safetensors']) delete (files as Record<string, unknown>)[name]; });
    const pack = await openFull({ damageFile: inFile('pack.json', unlisted) });
    expect(pack.optional).toEqual({ mixtureExperts: 0, largeModel: false, reservoir: true });
    await expect(pack.readMixtureExpert(0)).rejects.toThrow('mix/2.safetensors is not in its pack.json.');
    await expect(pack.readLargeModel()).rejects.toThrow('llm/model.safetensors is not in its pack.json.');
  });
});

describe('a mixture expert', () => {
  it('is read by its number and kept', async () => {
    const pack = await openFull();
    const progress: PackProgress[] = [];
    const expert = await pack.readMixtureExpert(2, { onProgress: (event) => progress.push(event) });
    expect(expert.name).toBe('mix/2.safetensors');
    const { bytes } = pack.manifest.files.get('mix/2.safetensors')!;
    expect(progress.at(-1)).toEqual({ file: 'mix/2.safetensors', bytesLoaded: bytes, bytesTotal: bytes, fromCache: false });
    const other = await pack.readMixtureExpert(3);
    const norm = 'model.norm.weight';
    expect(await expert.readFloats(norm)).toHaveLength(16);
    expect(await expert.readFloats(norm)).not.toEqual(await other.readFloats(norm));
    expect(await pack.readMixtureExpert(2)).toBe(expert);
  });

  it.each([-1, 4, 1.5, NaN])('numbered %d does not exist', async (index) => {
    expect(await sentenceFor((pack) => pack.readMixtureExpert(index), {})).toBe(`There is no expert ${index} in the hard mixture; this pack has experts 0 to 3.`);
  });

  it.each<[string, TinyPackOptions, string]>([
    ['missing', { damageFile: (file, bytes) => (file === 'mix/1.safetensors' ? undefined : bytes) }, 'mix/1.safetensors is missing in the folder tiny.'],
    ['damaged', { damageFile: inFile('mix/1.safetensors', flipped) }, 'mix/1.safetensors is damaged: its SHA-256 is'],
    ['truncated', { damageFile: inFile('mix/1.safetensors', (bytes) => bytes.slice(0, 99)) }, 'mix/1.safetensors is truncated: it has 99 bytes'],
    ['no tensor file', { editFile: inFile('mix/1.safetensors', (bytes) => bytes.slice(0, 4)) }, 'mix/1.safetensors has only 4 bytes'],
    ['not finite', editTensor('mix/1.safetensors', (tensors) => new DataView(tensors.get('model.norm.weight')!.bytes.buffer).setFloat32(8, NaN, true)), 'mix/1.safetensors: tensor model.norm.weight holds a value that is NaN or infinite (element 2).'],
    ['of another shape', editTensor('mix/1.safetensors', (tensors) => { tensors.get('model.layers.0.self_attn.k_proj.weight')!.shape = [8, 32]; }), "mix/1.safetensors: tensor model.layers.0.self_attn.k_proj.weight has shape [8, 32], but the pack's config.json asks for [16, 16]."],
    ['of another dtype', editTensor('mix/1.safetensors', (tensors) => { const norm = tensors.get('model.norm.weight')!; norm.dtype = 'F16'; norm.bytes = norm.bytes.slice(0, 32); }), 'mix/1.safetensors: tensor model.norm.weight is stored as F16, where F32 is expected.'],
    ['short of a tensor', editTensor('mix/1.safetensors', (tensors) => tensors.delete('model.norm.weight')), "mix/1.safetensors has no tensor model.norm.weight, which the pack's config.json asks for."],
    ['more than a small model', editTensor('mix/1.safetensors', (tensors) => tensors.set('lm_head.weight', tensors.get('model.norm.weight')!)), 'mix/1.safetensors holds a tensor lm_head.weight'],
  ])('that is %s gives a sentence', async (_case, options, sentence) => {
    expect(await sentenceFor(readExpert, options)).toContain(sentence);
  });

  it('can be asked for again after a failure', async () => {
    const files = await buildFullTinyPack();
    const entry = files.find(({ path }) => path === 'tiny/mix/1.safetensors')!;
    const whole = entry.file;
    let isBroken = true;
    const flaky = new Proxy(whole, {
      get: (blob, key) => (key === 'stream' ? () => (isBroken ? new ReadableStream({ start: (controller) => controller.error(new Error('gone')) }) : blob.stream()) : typeof blob[key as keyof Blob] === 'function' ? (blob[key as 'slice']).bind(blob) : blob[key as keyof Blob]),
    });
    const pack = await openPack({ kind: 'files', files: files.map((file) => (file === entry ? { ...file, file: flaky } : file)) });
    await expect(pack.readMixtureExpert(1)).rejects.toThrow('Reading mix/1.safetensors stopped after 0 of');
    isBroken = false;
    expect((await pack.readMixtureExpert(1)).tensors.size).toBe(pack.slm.tensors.size);
  });

  it('that two ask for at once is read once, and one of them giving up does not disturb the other', async () => {
    const pack = await openFull();
    const seen: string[] = [];
    const onProgress = ({ file, bytesLoaded, bytesTotal }: PackProgress): void => { if (bytesLoaded === bytesTotal) seen.push(file); };
    const controller = new AbortController();
    const first = pack.readMixtureExpert(0, { onProgress, signal: controller.signal });
    const second = pack.readMixtureExpert(0, { onProgress });
    const third = pack.readMixtureExpert(0, { onProgress });
    controller.abort();
    await expect(first).rejects.toMatchObject({ name: 'AbortError' });
    expect(await second).toBe(await third);
    expect(seen).toEqual(['mix/0.safetensors']);
  });

  it('stops when cancelled, in the middle of a file and while it waits for its turn', async () => {
    const pack = await openFull();
    const midway = new AbortController();
    await expect(pack.readMixtureExpert(0, { signal: midway.signal, onProgress: () => midway.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    const waiting = new AbortController();
    let isFirstDone = false;
    const first = pack.readLargeModel({ onProgress: () => waiting.abort() }).then(() => { isFirstDone = true; });
    const second = pack.readMixtureExpert(0, { signal: waiting.signal }).finally(() => expect(isFirstDone).toBe(false));
    await expect(second).rejects.toMatchObject({ name: 'AbortError' });
    await first;
    expect((await pack.readMixtureExpert(0)).name).toBe('mix/0.safetensors');
  });
});

describe('the large model', () => {
  it('comes with its own shape', async () => {
    const { model, file } = await (await openFull()).readLargeModel();
    expect(model).toMatchObject({ ...TINY_LARGE_SHAPE, vocabSize: 264, numHiddenLayers: 2, headDim: 8 });
    expect(file.tensors.get('model.layers.1.mlp.down_proj.weight')!.shape).toEqual([24, 40]);
  });

  it('tells its shape without its weights', async () => {
    const pack = await openFull({ damageFile: (file, bytes) => (file === 'llm/model.safetensors' ? undefined : bytes) });
    expect(await pack.readLargeShape()).toMatchObject({ ...TINY_LARGE_SHAPE, vocabSize: 264 });
    await expect(pack.readLargeModel()).rejects.toThrow('llm/model.safetensors is missing');
    const other = await openFull(config((json) => { json.vocab_size = 300; }));
    await expect(other.readLargeShape()).rejects.toThrow('llm/config.json: vocab_size is 300, but config.json says 264');
    await expect((await openPack({ kind: 'files', files: await buildTinyPack() })).readLargeShape()).rejects.toThrow('does not have a large model');
  });

  const config = (edit: (json: Record<string, unknown>) => void): TinyPackOptions => ({ editFile: inFile('llm/config.json', editedJson(edit)) });
  it.each<[string, TinyPackOptions, string]>([
    ['another vocabulary', config((json) => { json.vocab_size = 300; }), 'llm/config.json: vocab_size is 300, but config.json says 264, and both models must have the same tokens.'],
    ['grouped attention', config((json) => { json.num_key_value_heads = 1; }), 'llm/config.json: num_key_value_heads (1) must equal num_attention_heads (3)'],
    ['a width off the grid', config((json) => { json.intermediate_size = 42; }), 'llm/config.json: intermediate_size must be a multiple of 4, but it is 42.'],
    ['another shape than its config says', config((json) => { json.intermediate_size = 44; }), "llm/model.safetensors: tensor model.layers.0.mlp.gate_proj.weight has shape [40, 24], but the pack's llm/config.json asks for [44, 24]."],
    ['no JSON', { editFile: inFile('llm/config.json', () => new TextEncoder().encode('{')) }, 'llm/config.json is not valid JSON.'],
    ['infinite weights', editTensor('llm/model.safetensors', (tensors) => new DataView(tensors.get('model.embed_tokens.weight')!.bytes.buffer).setUint16(0, 0x7c00, true)), 'llm/model.safetensors: tensor model.embed_tokens.weight holds a value that is NaN or infinite (element 0).'],
    ['a flipped bit', { damageFile: inFile('llm/model.safetensors', flipped) }, 'llm/model.safetensors is damaged'],
    ['a missing file', { damageFile: (file, bytes) => (file === 'llm/model.safetensors' ? undefined : bytes) }, 'llm/model.safetensors is missing in the folder tiny.'],
  ])('with %s gives a sentence', async (_case, options, sentence) => {
    expect(await sentenceFor(readLarge, options)).toContain(sentence);
  });
});

describe('the reservoir', () => {
  it('gives every cluster its training and held-out text, as views of one memory', async () => {
    const pack = await openFull();
    const reservoir = await pack.readReservoir();
    const total = (lengths: readonly number[]): number => lengths.reduce((sum, length) => sum + length, 0);
    const expected = (cluster: number, length: number): number[] => Array.from({ length }, (_, place) => tinyReservoirToken(cluster, place));
    expect(reservoir.clusters).toHaveLength(4);
    reservoir.clusters.forEach(({ train, heldOut }, cluster) => {
      expect([...train]).toEqual(expected(cluster, total(TINY_RESERVOIR_WINDOWS[cluster].train)));
      expect([...heldOut]).toEqual(expected(cluster, total(TINY_RESERVOIR_WINDOWS[cluster].held_out)));
      expect(train.buffer).toBe(reservoir.clusters[0].train.buffer);
      expect(heldOut.buffer).toBe(train.buffer);
    });
    expect(reservoir.numTokens * 2).toBe(reservoir.clusters[0].train.buffer.byteLength);
    expect(await pack.readReservoir()).toBe(reservoir);
  });

  /** The description with a change, over a file that stays as it was. */
  type Part = { begin: unknown; end: unknown; windows: unknown[] };
  const described = (edit: (reservoir: { clusters: { index: number; train: Part; held_out: Part }[] } & Record<string, unknown>) => void): TinyPackOptions => {
    const reservoir = describeReservoir(TINY_RESERVOIR_WINDOWS);
    edit(reservoir as Parameters<typeof edit>[0]);
    return { clusters: { reservoir } };
  };
  const train = (cluster: number, change: Partial<Part>): TinyPackOptions => described(({ clusters }) => Object.assign(clusters[cluster].train, change));
  it.each<[string, TinyPackOptions, string]>([
    ['no description', { clusters: { reservoir: undefined } }, 'clusters.json: reservoir must be an object, but it is missing.'],
    ['no clusters', described((reservoir) => { reservoir.clusters = []; }), 'clusters.json: reservoir.clusters describes 0 clusters, but config.json says k = 4.'],
    ['clusters out of order', described(({ clusters }) => clusters.reverse()), 'clusters.json: reservoir.clusters[0].index must be 0'],
    ['a cluster that is none', described((reservoir) => { (reservoir.clusters as unknown[])[2] = null; }), 'clusters.json: reservoir.clusters[2] is not an object.'],
    ['a part that is missing', described(({ clusters }) => { delete (clusters[1] as Partial<(typeof clusters)[1]>).held_out; }), 'clusters.json: reservoir.clusters[1].held_out must be an object, but it is missing.'],
    ['a negative offset', train(0, { begin: -400 }), 'clusters.json: reservoir.clusters[0].train.begin must be 0 (the parts follow each other without gap), but it is -400.'],
    ['overlapping parts', train(1, { begin: 600 }), 'reservoir.clusters[1].train.begin must be 700'],
    ['a part past the end', train(2, { end: 99_999 }), 'reservoir.clusters[2].train.end must be 2554 (there its windows end), but it is 99999.'],
    ['an offset that is not whole', train(0, { end: 640.5 }), 'reservoir.clusters[0].train.end must be 640'],
    ['an offset that is a text', train(0, { end: '640' }), 'reservoir.clusters[0].train.end must be 640 (there its windows end), but it is "640".'],
    ['a negative window', train(0, { windows: [700, -60] }), 'reservoir.clusters[0].train.windows[1] must be a whole number between 1 and 1024.'],
    ['a window of no token', train(0, { windows: [400, 0, 240] }), 'reservoir.clusters[0].train.windows[1] must be'],
    ['half a token', train(0, { windows: [400.5, 239.5] }), 'reservoir.clusters[0].train.windows[0] must be'],
    ['a window over the limit', train(2, { windows: [1025, 529] }), 'reservoir.clusters[2].train.windows[0] must be a whole number between 1 and 1024.'],
    ['a window of 2^60 tokens', train(0, { windows: [2 ** 60] }), 'reservoir.clusters[0].train.windows[0] must be'],
    ['windows that do not fill the file', described((reservoir) => { Object.assign(reservoir.clusters[3].held_out, { end: 2642, windows: [23] }); }), 'clusters.json: reservoir.clusters describe 2642 tokens, but reservoir.bin has 2652.'],
    ['another number of tokens', described((reservoir) => { reservoir.tokens = 5; }), 'clusters.json: reservoir.tokens must be 2652'],
    ['another type', described((reservoir) => { reservoir.dtype = 'uint32'; }), 'clusters.json: reservoir.dtype must be "uint16"'],
    ['another file', described((reservoir) => { reservoir.file = '../secret'; }), 'clusters.json: reservoir.file must be "reservoir.bin"'],
    ['an odd number of bytes', { editFile: inFile('reservoir.bin', (bytes) => bytes.slice(0, -1)) }, 'reservoir.bin has 5303 bytes, an odd number'],
    ['fewer tokens than described', { editFile: inFile('reservoir.bin', (bytes) => bytes.slice(0, -2)) }, 'clusters.json: reservoir.tokens must be 2651 (reservoir.bin has 5302 bytes), but it is 2652.'],
    ['nothing in it', { editFile: inFile('reservoir.bin', () => new Uint8Array(0)) }, 'clusters.json: reservoir.tokens must be 0'],
    ['a token beyond the vocabulary', { editFile: inFile('reservoir.bin', (bytes) => { new DataView(bytes.buffer).setUint16(2 * 1000, 264, true); return bytes; }) }, 'reservoir.bin holds the token id 264 (token 1000), but config.json says vocab_size = 264.'],
    ['a flipped bit', { damageFile: inFile('reservoir.bin', flipped) }, 'reservoir.bin is damaged'],
    ['a cut', { damageFile: inFile('reservoir.bin', (bytes) => bytes.slice(0, 10)) }, 'reservoir.bin is truncated: it has 10 bytes'],
  ])('with %s gives a sentence', async (_case, options, sentence) => {
    expect(await sentenceFor(readReservoir, options)).toContain(sentence);
  });
});
