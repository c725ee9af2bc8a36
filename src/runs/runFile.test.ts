// Exported, imported, exported again; and files that are broken or mean harm.
import { safetensors as independentReader } from '@jax-js/loaders';
import { BlobReader, BlobWriter, TextReader, Uint8ArrayWriter, ZipReader, ZipWriter, type FileEntry, type ZipWriterAddDataOptions } from '@zip.js/zip.js/index-native.js';
import { describe, expect, it } from 'vitest';
import { UserError } from '../core/invariant.ts';
import type { HostTensors } from '../core/tensor.ts';
import { safetensorsParts } from '../formats/safetensorsWriter.ts';
import { weightsHash } from '../formats/weightsHash.ts';
import { bestOf, finishedRun, runningRun, tensorsOf } from './run.fixture.ts';
import { exportRun, importRun } from './runFile.ts';

const exported = (): Promise<Blob> => exportRun({ record: finishedRun(), tensors: tensorsOf(2) });
const bytesOf = async (blob: Blob): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(await blob.arrayBuffer());
const safetensors = (tensors: HostTensors): Blob => new Blob(safetensorsParts(tensors));

async function zip(entries: readonly (readonly [string, string | Blob])[], options: ZipWriterAddDataOptions = {}): Promise<Blob> {
  const writer = new ZipWriter(new BlobWriter('application/zip'), { useWebWorkers: false });
  for (const [name, content] of entries) await writer.add(name, typeof content === 'string' ? new TextReader(content) : new BlobReader(content), options);
  return writer.close();
}

async function failureOf(file: Blob | Promise<Blob>): Promise<string> {
  const failure: unknown = await importRun(await file, 'x.zip').then(() => undefined, (error: unknown) => error);
  expect(failure).toBeInstanceOf(UserError);
  return (failure as UserError).message;
}

const json = (change: object = {}): string => JSON.stringify({ ...finishedRun(), ...change });
const goodWeights = safetensors(tensorsOf(2));

/** Overwrites 32-bit fields of every central directory entry ("PK\1\2"); also of the local headers ("PK\3\4") with `localOffset`. */
function patchEntries(bytes: Uint8Array<ArrayBuffer>, offset: number, value: number, localOffset?: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < bytes.length - 46; i++) {
    if (view.getUint32(i, true) === 0x02014b50) view.setUint32(i + offset, value, true);
    if (localOffset !== undefined && view.getUint32(i, true) === 0x04034b50) view.setUint32(i + localOffset, value, true);
  }
  return bytes;
}

describe('a run file', () => {
  it('gives back record, curves and weights, and then the same bytes', async () => {
    const file = await exported();
    const { record, tensors } = await importRun(file, 'x.zip');
    expect(record).toEqual(finishedRun());
    expect([...tensors!.keys()]).toEqual([...tensorsOf(2).keys()]);
    expect(tensors).toEqual(tensorsOf(2));
    const again = await exportRun({ record, tensors });
    expect(await bytesOf(again)).toEqual(await bytesOf(file));
  });

  it('has the same bytes whatever the time zone, the clock and the order of fields', async () => {
    const bytes = await bytesOf(await exported());
    const zone = process.env.TZ;
    try {
      process.env.TZ = 'Pacific/Auckland';
      const reversed = Object.fromEntries(Object.entries(finishedRun()).reverse()) as unknown as ReturnType<typeof finishedRun>;
      expect(await bytesOf(await exportRun({ record: reversed, tensors: tensorsOf(2) }))).toEqual(bytes);
    } finally {
      process.env.TZ = zone;
    }
    const times = [...await new ZipReader(new BlobReader(await exported())).getEntries()].map(({ rawLastModDate }) => rawLastModDate);
    // DOS time of 2000-01-01 00:00.
    expect(times).toEqual([0x28210000, 0x28210000]);
  });

  it('is a zip of two stored files, the weights as any safetensors reader reads them', async () => {
    const entries = await new ZipReader(new BlobReader(await exported())).getEntries() as FileEntry[];
    expect(entries.map(({ filename, compressionMethod }) => [filename, compressionMethod])).toEqual([['run.json', 0], ['weights.safetensors', 0]]);
    const bytes = await entries[1].getData(new Uint8ArrayWriter(), { useWebWorkers: false }) as Uint8Array<ArrayBuffer>;
    const read = independentReader.parse(bytes);
    for (const [name, { shape, data }] of tensorsOf(2)) {
      expect(read.tensors[name]).toMatchObject({ dtype: 'F32', shape });
      expect(Array.from(read.tensors[name].data as Float32Array)).toEqual(Array.from(data));
    }
  });

  it('of a run without weights has none; one that goes on comes back interrupted', async () => {
    const { record, tensors } = await importRun(await exportRun({ record: runningRun('a') }), 'x.zip');
    expect(tensors).toBeUndefined();
    expect(record).toEqual(runningRun('a', { state: 'interrupted' }));
  });

  it('repacked and deflated by another tool is read', async () => {
    const { record, tensors } = await importRun(await zip([['weights.safetensors', goodWeights], ['run.json', json()]], { level: 9 }), 'x.zip');
    expect(record).toEqual(finishedRun());
    expect(tensors).toEqual(tensorsOf(2));
  });

  it('is not written of what could not be read back', async () => {
    const record = finishedRun();
    await expect(exportRun({ record })).rejects.toThrow('The run “Contracts, most frequent” is missing, though the record names best weights.');
    await expect(exportRun({ record, tensors: tensorsOf(3) })).rejects.toThrow(`holds other weights (${bestOf(3).hash}) than the record names (${bestOf(2).hash}).`);
    await expect(exportRun({ record: runningRun('a'), tensors: tensorsOf(2) })).rejects.toThrow('holds weights, but the record names none.');
    await expect(exportRun({ record: finishedRun({ name: '' }), tensors: tensorsOf(2) })).rejects.toThrow('name must be a text that is not blank');
  });
});

describe('is refused in one sentence:', () => {
  it.each<[string, () => Blob | Promise<Blob>, string]>([
    ['no zip', () => new Blob(['hello']), 'x.zip is no complete zip file, so no run could be read from it ('],
    ['an empty file', () => new Blob([]), 'x.zip is no complete zip file'],
    ['a zip cut short', async () => (await exported()).slice(0, -30), 'x.zip is no complete zip file'],
    ['data behind the zip', async () => new Blob([await exported(), 'more']), 'x.zip is no complete zip file'],
    ['a zip of something else', () => zip([['model.gguf', 'x']]), 'x.zip is no run: it holds "model.gguf", which does not belong in one.'],
    ['the user\'s text beside it', () => zip([['run.json', json()], ['corpus.txt', 'secret']]), 'x.zip is no run: it holds "corpus.txt"'],
    ['a folder', () => zip([['run.json', json()], ['weights/', '']]), 'x.zip is no run: it holds "weights/"'],
    ['weights alone', () => zip([['weights.safetensors', goodWeights]]), 'x.zip is no run: it has no run.json.'],
    ['an encrypted entry', () => zip([['run.json', json()], ['weights.safetensors', goodWeights]], { password: 'p' }), 'x.zip: run.json is encrypted.'],
    ['no JSON', () => zip([['run.json', '{"formatVersion": 1,']]), 'x.zip/run.json is not valid JSON.'],
    ['another version', () => zip([['run.json', json({ formatVersion: 2 })]]), 'x.zip/run.json is no run of format version 1'],
    ['a number that is none', () => zip([['run.json', json().replace('"flops":63000000000', '"flops":1e999')]]), 'x.zip/run.json: curve.2.flops must be a number between 0 and 1e+30, but it is Infinity.'],
    ['weights that are missing', () => zip([['run.json', json()]]), 'x.zip/weights.safetensors is missing, though the record names best weights.'],
    ['weights nobody asked for', () => zip([['run.json', json({ bestWeightsHash: undefined })], ['weights.safetensors', goodWeights]]), 'x.zip/weights.safetensors holds weights, but the record names none.'],
    ['other weights', () => zip([['run.json', json()], ['weights.safetensors', safetensors(tensorsOf(5))]]), `x.zip/weights.safetensors holds other weights (${bestOf(5).hash}) than the record names (${bestOf(2).hash}).`],
    ['weights that are no safetensors', () => zip([['run.json', json()], ['weights.safetensors', 'PK']]), 'x.zip/weights.safetensors has only 2 bytes, too few for a safetensors file.'],
  ])('%s', async (_case, file, sentence) => {
    expect((await failureOf(await file())).slice(0, sentence.length)).toBe(sentence);
  });

  it.each([NaN, Infinity])('a weight of %d, though its hash is right', async (bad) => {
    const tensors = tensorsOf(2);
    tensors.get('model.norm.weight')!.data[3] = bad;
    const file = zip([['run.json', json({ bestWeightsHash: weightsHash(tensors) })], ['weights.safetensors', safetensors(tensors)]]);
    expect(await failureOf(file)).toBe('x.zip/weights.safetensors: tensor model.norm.weight holds a value that is NaN or infinite (element 3).');
    await expect(exportRun({ record: finishedRun({ bestWeightsHash: weightsHash(tensors) }), tensors })).rejects.toThrow('NaN or infinite');
  });

  it('weights of another dtype', async () => {
    const header = JSON.stringify({ w: { dtype: 'F16', shape: [2], data_offsets: [0, 4] } });
    const length = new Uint8Array(8);
    length[0] = header.length;
    expect(await failureOf(zip([['run.json', json()], ['weights.safetensors', new Blob([length, header, new Uint8Array(4)])]]))).toBe('x.zip/weights.safetensors: tensor w is stored as F16, but the weights of a run are F32.');
  });

  it('a damaged byte of the weights', async () => {
    const bytes = await bytesOf(await exported());
    const at = bytes.length - 300;
    bytes[at] ^= 1;
    expect(await failureOf(new Blob([bytes]))).toBe('x.zip/weights.safetensors is damaged and could not be unpacked.');
  });

  it('zip bombs, before anything is expanded and while it is', async () => {
    const zeros = new Blob(Array.from({ length: 30 }, () => new Uint8Array(2 ** 20)));
    const bomb = await zip([['run.json', json()], ['weights.safetensors', zeros]]);
    expect(bomb.size).toBeLessThan(100_000);
    expect(await failureOf(bomb)).toBe('x.zip/weights.safetensors expands to more than 20 times its size, so it was refused as a possible zip bomb.');
    expect(await failureOf(zip([['run.json', zeros]]))).toBe('x.zip/run.json expands to more than 20 times its size, so it was refused as a possible zip bomb.');
    // A directory that lies about the size, alone and together with the local header.
    for (const localOffset of [undefined, 22]) {
      const liar = patchEntries(await bytesOf(await zip([['run.json', zeros]], { dataDescriptor: false })), 24, 1000, localOffset);
      expect(await failureOf(new Blob([liar]))).toBe('x.zip/run.json is damaged and could not be unpacked.');
    }
    const huge = patchEntries(await bytesOf(await zip([['run.json', json()]])), 24, 0xfffffff0);
    expect(await failureOf(new Blob([huge]))).toBe('x.zip/run.json would take 4.0 GB, over the limit of 64.0 MB.');
  });

  it('two entries of one name, and a directory of many', async () => {
    const twice = await bytesOf(await zip([['run.json', json()], ['run.jsom', json({ name: 'Another' })]]));
    for (let i = 0; i < twice.length - 8; i++) if (String.fromCharCode(...twice.subarray(i, i + 8)) === 'run.jsom') twice[i + 7] = 'n'.charCodeAt(0);
    expect(await failureOf(new Blob([twice]))).toMatch(/^x\.zip (holds run\.json twice\.|is no complete zip file)/);
    const many = zip(Array.from({ length: 3000 }, (_, i): [string, string] => [`${i}`, '']));
    expect(await failureOf(many)).toBe('x.zip is no run: it holds "0", which does not belong in one.');
  });
});
