import { safetensors as independentReader } from '@jax-js/loaders';
import { describe, expect, it } from 'vitest';
import type { HostTensor } from '../core/tensor.ts';
import { randomFloats } from '../testing/testGpu.ts';
import { encodeFloat16, float16ToFloat32 } from '../core/float16.ts';
import { readSafetensorsHeader } from './safetensorsHeader.ts';
import { safetensorsParts } from './safetensorsWriter.ts';
import { openTensorFile, requireFiniteTensors } from './tensorFile.ts';
import { weightsHash } from './weightsHash.ts';

const sample = (): Map<string, HostTensor> => new Map([
  ['model.a.weight', { shape: [3, 5], data: randomFloats(15, 1) }],
  // A view into a larger buffer, as weights read back from the GPU may be.
  ['model.b.weight', { shape: [4], data: randomFloats(10, 2).subarray(3, 7) }],
  ['empty', { shape: [0, 7], data: new Float32Array(0) }],
  ['scalar', { shape: [], data: Float32Array.of(2.5) }],
]);

/** A file from a header given as text. */
const fileOf = (header: string, data: Uint8Array<ArrayBuffer> = new Uint8Array(0), declared?: bigint): Blob => {
  const json = new TextEncoder().encode(header);
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, declared ?? BigInt(json.length), true);
  return new Blob([length.buffer, json, data]);
};
const describeTensor = (entry: unknown): string => JSON.stringify({ w: entry });
const failureOf = (file: Blob): Promise<string> => readSafetensorsHeader(file, 'x.safetensors').then(() => 'no failure', (error: Error) => `${error.name}: ${error.message}`);

describe('safetensors', () => {
  it('comes back from an independent reader and from our own', async () => {
    const tensors = sample();
    const file = new Blob(safetensorsParts(tensors));
    const theirs = independentReader.parse(await file.arrayBuffer());
    expect(Object.keys(theirs.tensors).sort()).toEqual([...tensors.keys()].sort());
    expect(theirs.metadata).toEqual({ format: 'pt' });
    const ours = await openTensorFile(file, 'x.safetensors');
    for (const [name, { shape, data }] of tensors) {
      expect(theirs.tensors[name].shape).toEqual(shape);
      expect(Array.from(theirs.tensors[name].data as Float32Array)).toEqual(Array.from(data));
      expect(ours.tensors.get(name)).toMatchObject({ shape, dtype: 'F32' });
      expect(Array.from(await ours.readFloats(name))).toEqual(Array.from(data));
    }
  });

  it('writes views, not copies, and aligns the data', () => {
    const tensors = sample();
    const [head, first] = safetensorsParts(tensors);
    expect(first.buffer).toBe(tensors.get('model.a.weight')!.data.buffer);
    expect(head.length % 8).toBe(0);
  });

  it('reads ranges and halves', async () => {
    const halves = encodeFloat16(randomFloats(6, 5));
    const file = await openTensorFile(fileOf(describeTensor({ dtype: 'F16', shape: [2, 3], data_offsets: [0, 12] }), new Uint8Array(halves.buffer)), 'x.safetensors');
    expect(Array.from(await file.readFloats('w'))).toEqual(Array.from(halves, float16ToFloat32));
    expect(Array.from(await file.readBytes('w', 2, 6))).toEqual(Array.from(new Uint8Array(halves.buffer, 2, 4)));
    await expect(file.readBytes('w', 2, 13)).rejects.toThrow(RangeError);
    await expect(file.readFloats('v')).rejects.toThrow('x.safetensors has no tensor v.');
  });

  it('fills memory that is there already, in pieces that end as they like, and leaves none reading when one fails', async () => {
    const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
    const whole = fileOf(describeTensor({ dtype: 'U8', shape: [100], data_offsets: [0, 100] }), bytes);
    let reading = 0;
    let fails = false;
    // Later pieces are read sooner.
    const slow = Object.assign(whole, {
      slice: (start: number, end: number) => {
        const piece = Blob.prototype.slice.call(whole, start, end);
        const wait = async (): Promise<void> => {
          reading++;
          await new Promise((resolve) => setTimeout(resolve, Math.max(0, 60 - start / 4)));
          reading--;
          if (fails && start > 100) throw new Error('gone');
        };
        const stream = (): ReadableStream => Blob.prototype.stream.call(piece).pipeThrough(new TransformStream({ start: wait }));
        return Object.assign(piece, { stream });
      },
    });
    const file = await openTensorFile(slow, 'x.safetensors', { chunkBytes: 7 });
    const target = new Uint8Array(90).fill(255);
    await file.readInto('w', 5, target);
    expect([...target]).toEqual([...bytes.subarray(5, 95)]);
    await expect(file.readInto('w', 50, target)).rejects.toThrow(RangeError);
    fails = true;
    await expect(file.readInto('w', 0, target)).rejects.toThrow('x.safetensors can no longer be read (tensor w)');
    expect(reading).toBe(0);
  });

  it('refuses a header length of 2^60 before reading anything', async () => {
    expect(await failureOf(fileOf('{}', undefined, 2n ** 60n))).toBe('UserError: x.safetensors declares a header of 1152921504606846976 bytes, but the file has only 10 bytes: it is damaged or no safetensors file.');
  });

  it.each([
    ['too short a file', new Blob([new Uint8Array(3)]), 'has only 3 bytes'],
    ['a header that is no JSON', fileOf('{"w":'), 'not valid JSON'],
    ['a header that is a list', fileOf('[]'), 'not a JSON object'],
    ['an unknown dtype', fileOf(describeTensor({ dtype: 'F31', shape: [1], data_offsets: [0, 4] }), new Uint8Array(4)), 'tensor w has the unknown dtype "F31"'],
    ['a dtype from the prototype', fileOf(describeTensor({ dtype: 'constructor', shape: [1], data_offsets: [0, 4] }), new Uint8Array(4)), 'tensor w has the unknown dtype'],
    ['a negative size', fileOf(describeTensor({ dtype: 'F32', shape: [-1], data_offsets: [0, 4] }), new Uint8Array(4)), 'tensor w has an impossible shape'],
    ['offsets backwards', fileOf(describeTensor({ dtype: 'F32', shape: [1], data_offsets: [4, 0] }), new Uint8Array(4)), 'tensor w has impossible data_offsets'],
    ['bytes that do not fit the shape', fileOf(describeTensor({ dtype: 'F32', shape: [3], data_offsets: [0, 4] }), new Uint8Array(4)), 'tensor w takes 4 bytes, but its shape [3] in F32 needs 12'],
    ['a shape whose product overflows', fileOf(describeTensor({ dtype: 'F32', shape: [2 ** 40, 2 ** 40, 2 ** 40], data_offsets: [0, 4] }), new Uint8Array(4)), 'tensor w takes 4 bytes'],
    ['a tensor past the end', fileOf(describeTensor({ dtype: 'F32', shape: [2], data_offsets: [0, 8] }), new Uint8Array(4)), 'tensor w ends at byte'],
    ['a gap', fileOf(describeTensor({ dtype: 'F32', shape: [1], data_offsets: [4, 8] }), new Uint8Array(8)), 'tensor w begins at byte 4 of the data, where 0 was expected'],
    ['an overlap', fileOf(JSON.stringify({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] }, b: { dtype: 'F32', shape: [1], data_offsets: [4, 8] } }), new Uint8Array(8)), 'tensor b begins at byte 4 of the data, where 8 was expected'],
    ['bytes left over', fileOf(describeTensor({ dtype: 'F32', shape: [1], data_offsets: [0, 4] }), new Uint8Array(6)), '2 bytes after its last tensor'],
  ])('names the file for %s', async (_case, file, sentence) => {
    const failure = await failureOf(file);
    expect(failure).toMatch(/^UserError: x\.safetensors/);
    expect(failure).toContain(sentence);
  });

  it('finds the one value that is not finite, in either dtype', async () => {
    for (const bad of [NaN, -Infinity]) {
      const data = randomFloats(3_000_000, 4);
      const file = await openTensorFile(new Blob(safetensorsParts(new Map([['fine', { shape: [2], data: Float32Array.of(3e38, -1e-45) }], ['w', { shape: [data.length], data }]]))), 'x.safetensors');
      await requireFiniteTensors(file);
      data[2_345_678] = bad;
      const broken = await openTensorFile(new Blob(safetensorsParts(new Map([['w', { shape: [data.length], data }]]))), 'x.safetensors');
      await expect(requireFiniteTensors(broken)).rejects.toThrow('x.safetensors: tensor w holds a value that is NaN or infinite (element 2345678).');
      const halves = new Uint8Array(encodeFloat16(Float32Array.of(1, 65504, bad)).buffer);
      const half = await openTensorFile(fileOf(describeTensor({ dtype: 'F16', shape: [3], data_offsets: [0, 6] }), halves), 'x.safetensors');
      await expect(requireFiniteTensors(half)).rejects.toThrow('tensor w holds a value that is NaN or infinite (element 2).');
    }
  });
});

describe('weightsHash', () => {
  it('depends on names, shapes and values but not on order or on the buffer', () => {
    const hash = weightsHash(sample());
    expect(hash).toMatch(/^[0-9a-f]{16}$/);
    expect(weightsHash(new Map([...sample()].reverse()))).toBe(hash);
    const copied = sample();
    const view = copied.get('model.b.weight')!;
    copied.set('model.b.weight', { shape: view.shape, data: view.data.slice() });
    expect(weightsHash(copied)).toBe(hash);
    const reshaped = sample();
    reshaped.set('model.a.weight', { shape: [5, 3], data: reshaped.get('model.a.weight')!.data });
    expect(weightsHash(reshaped)).not.toBe(hash);
    const changed = sample();
    changed.get('model.a.weight')!.data[7] += 1e-6;
    expect(weightsHash(changed)).not.toBe(hash);
  });
});
