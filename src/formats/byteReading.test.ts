import { describe, expect, it } from 'vitest';
import { blobReading, offerReading, readingOf } from './byteReading.ts';

const MEGABYTE = 2 ** 20;
const bytes = Uint8Array.from({ length: 7 * MEGABYTE + 5 }, (_, i) => (i * 7919) >>> 7);
const file = new Blob([bytes]);

async function readsRight(from: Blob, start: number, length: number): Promise<void> {
  const target = new Uint8Array(length + 2).fill(99);
  await blobReading(from)(start, target.subarray(1, length + 1));
  // Compared as buffers: millions of numbers one by one take seconds.
  expect(Buffer.from(target.buffer, 1, length).equals(bytes.subarray(start, start + length)), `${length} bytes from ${start}`).toBe(true);
  expect([target[0], target.at(-1)]).toEqual([99, 99]);
}

describe('bytes of a file', () => {
  it('arrive whole, wherever they begin, several readings at once too', async () => {
    await readsRight(file, 3, 100);
    await readsRight(file, 0, bytes.length);
    await readsRight(file, 1_000_001, 5 * MEGABYTE);
    const read = blobReading(file);
    const targets = [0, 1, 2, 3].map(() => new Uint8Array(3 * MEGABYTE));
    await Promise.all(targets.map((target, i) => read(i * MEGABYTE, target)));
    targets.forEach((target, i) => expect(Buffer.from(target.buffer).equals(bytes.subarray(i * MEGABYTE, (i + 3) * MEGABYTE))).toBe(true));
  });

  it('that are not there fail', async () => {
    await expect(blobReading(file)(5 * MEGABYTE, new Uint8Array(3 * MEGABYTE))).rejects.toThrow('the file ended 1048571 bytes early');
    const gone = { slice: () => ({ stream: () => new ReadableStream({ pull: () => Promise.reject(new DOMException('changed', 'NotReadableError')) }) }) } as unknown as Blob;
    await expect(blobReading(gone)(0, new Uint8Array(3))).rejects.toThrow('changed');
  });

  it('come the shorter way where one is known', async () => {
    const known = new Blob(['abc']);
    offerReading(known, async (start, target) => void target.fill(start));
    const target = new Uint8Array(2);
    await readingOf(known)(7, target);
    expect([...target]).toEqual([7, 7]);
  });
});
