// Reading ahead: one run and no more, through two pieces of memory, and nothing is left reading when it ends.
import { expect, it } from 'vitest';
import type { TensorFile } from '../formats/tensorFile.ts';
import type { LoadedMatrix, SliceRun } from './projectorPlan.ts';
import { SliceReader } from './sliceReader.ts';

const MATRIX: LoadedMatrix = { weightName: 'w.weight', sliceTensor: 'w.T', mixingTensor: 'w.M', dtype: 'F16', size: 3, out: 1, M: new Float32Array(0) };
const runsOf = (count: number, matrix = MATRIX): SliceRun<LoadedMatrix>[] => Array.from({ length: count }, (_, firstSlice) => ({ matrix, firstSlice, numSlices: 1 }));

/** Byte i of its tensor is i. Reads end when they are told to. */
class HeldFile {
  readonly begun: number[] = [];
  readonly memory = new Set<ArrayBufferLike>();
  unfinished = 0;
  private readonly held: (() => void)[] = [];
  holds = false;
  failsAt = Infinity;

  readonly file = {
    readInto: async (_tensor: string, start: number, target: Uint8Array) => {
      this.begun.push(start);
      this.memory.add(target.buffer);
      this.unfinished++;
      if (this.holds) await new Promise<void>((resolve) => this.held.push(resolve));
      this.unfinished--;
      if (start >= this.failsAt) throw new Error(`no byte ${start}`);
      for (let i = 0; i < target.length; i++) target[i] = start + i;
    },
  } as unknown as TensorFile;

  release(): void {
    for (const resolve of this.held.splice(0)) resolve();
  }
}

const bytesOf = (words: Uint32Array): number[] => [...new Uint8Array(words.buffer, words.byteOffset, words.byteLength)];

it('gives every run in order, padded to whole words, one read ahead, through two pieces of memory', async () => {
  const held = new HeldFile();
  const seen: number[][] = [];
  for await (const { words, storedBytes } of new SliceReader(held.file).read(runsOf(5))) {
    seen.push(bytesOf(words).slice(0, storedBytes));
    expect(words.byteLength).toBe(8);
    expect(held.begun.length).toBe(Math.min(5, seen.length + 1));
  }
  expect(seen).toEqual([0, 6, 12, 18, 24].map((start) => [0, 1, 2, 3, 4, 5].map((i) => start + i)));
  expect(held.memory.size).toBe(2);
});

it('reads into memory that is given, when that is free', async () => {
  const held = new HeldFile();
  const memory = [0, 1].map(() => new Uint8Array(new SharedArrayBuffer(16), 4, 8));
  const frees: (() => void)[] = [];
  const reader = new SliceReader(held.file, (lane) => ({
    bytes: (length) => memory[lane].subarray(0, length),
    free: () => new Promise((resolve) => frees.push(resolve)),
  }));
  const runs = reader.read(runsOf(3));
  const first = runs.next();
  expect(held.begun, 'not before the lane is free').toEqual([]);
  frees.shift()!();
  const { value } = await first;
  expect([value!.lane, value!.words.buffer === memory[0].buffer, ...bytesOf(value!.words).slice(0, 6)]).toEqual([0, true, 0, 1, 2, 3, 4, 5]);
  expect(held.begun).toEqual([0]);
  frees.shift()!();
  expect((await runs.next()).value!.lane).toBe(1);
  expect(held.begun).toEqual([0, 6]);
  frees.shift()!();
  expect((await runs.next()).value!.lane).toBe(0);
  expect((await runs.next()).done).toBe(true);

  const lost = new SliceReader(held.file, () => ({ bytes: () => memory[0], free: () => Promise.reject(new Error('lost')) }));
  await expect(lost.read(runsOf(1)).next()).rejects.toThrow('lost');
});

it('turns slices in 8 bits into float32', async () => {
  const matrix: LoadedMatrix = { ...MATRIX, dtype: 'F32', scaleTensor: 'w.T_scale', scales: Float32Array.of(2, 0.5) };
  const seen: number[][] = [];
  for await (const { words, storedBytes } of new SliceReader(new HeldFile().file).read(runsOf(2, matrix))) {
    seen.push([storedBytes, ...new Float32Array(words.buffer, 0, 3)]);
  }
  expect(seen).toEqual([[3, 0, 2, 4], [3, 1.5, 2, 2.5]]);
});

it('tells a failure in its turn, and ends only when nothing reads any more', async () => {
  const failing = new HeldFile();
  failing.failsAt = 6;
  const runs = new SliceReader(failing.file).read(runsOf(3));
  expect((await runs.next()).done).toBe(false);
  await expect(runs.next()).rejects.toThrow('no byte 6');

  const held = new HeldFile();
  const early = new SliceReader(held.file).read(runsOf(3));
  held.holds = false;
  await early.next();
  expect(held.unfinished).toBe(0);
  held.holds = true;
  await early.next();
  expect(held.unfinished).toBe(1);
  let ended = false;
  const ending = early.return(undefined).then(() => { ended = true; });
  await Promise.resolve();
  expect(ended).toBe(false);
  held.release();
  await ending;
  expect([ended, held.unfinished]).toEqual([true, 0]);
});

it('stops for a signal', async () => {
  const stop = new AbortController();
  const runs = new SliceReader(new HeldFile().file).read(runsOf(3), stop.signal);
  await runs.next();
  stop.abort(new Error('enough'));
  await expect(runs.next()).rejects.toThrow('enough');
});
