// Reading through synchronous handles, in the only place that has them: a worker.
import { expect, it } from 'vitest';

interface Outcome {
  readonly direct: number[];
  readonly handlesWhileReading: number;
  readonly shared: number[];
  readonly slicesOfBlobs: number;
  readonly removedAtOnce: boolean;
  readonly locked: number[];
  readonly readAfterRemoval: boolean;
}

/** Runs in the worker: a file of 1 MB, read in pieces by several at once, removed while its handle is open, written again and locked by someone else. */
const WORKER = (module: string): string => `
  import { closeDirectFiles, directReading } from '${module}';
  try {
  const root = await navigator.storage.getDirectory();
  const create = FileSystemFileHandle.prototype.createSyncAccessHandle;
  let readers = 0;
  FileSystemFileHandle.prototype.createSyncAccessHandle = function (options) { if (options) readers++; return create.call(this, options); };
  const bytes = Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 7919) >>> 5);
  async function make() {
    const handle = await root.getFileHandle('direct', { create: true });
    const access = await create.call(handle);
    access.write(bytes, { at: 0 });
    access.close();
    return handle;
  }
  let handle = await make();
  let read = directReading(handle, await handle.getFile());
  const target = new Uint8Array(3000);
  await Promise.all([0, 1, 2].map((i) => read(1000 + i * 1000, target.subarray(i * 1000, (i + 1) * 1000))));
  const handlesWhileReading = readers;
  const slice = Blob.prototype.slice;
  let slicesOfBlobs = 0;
  Blob.prototype.slice = function (...range) { slicesOfBlobs++; return slice.apply(this, range); };
  const shared = new Uint8Array(new SharedArrayBuffer(4096), 96, 2000);
  await read(1000, shared);
  Blob.prototype.slice = slice;
  const removal = () => root.removeEntry('direct').then(() => true, () => false);
  const lockedByReading = !(await removal());
  await closeDirectFiles();
  const removedAtOnce = lockedByReading && (await removal());
  const readAfterRemoval = await read(0, new Uint8Array(10)).then(() => true, () => false);

  handle = await make();
  read = directReading(handle, await handle.getFile());
  const other = await create.call(handle);
  const locked = new Uint8Array(100);
  await read(5000, locked);
  other.close();
  await removal();
  postMessage({ direct: [...target], handlesWhileReading, shared: [...shared], slicesOfBlobs, removedAtOnce, locked: [...locked], readAfterRemoval });
  } catch (error) { postMessage({ error: String(error) }); }`;

const expected = (start: number, length: number): number[] => Array.from({ length }, (_, i) => (((start + i) * 7919) >>> 5) & 0xff);

it('reads the file\'s own bytes through one handle, gives way to removal and goes round a lock', async () => {
  const code = WORKER(new URL('./directReading.ts', import.meta.url).href);
  const worker = new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })), { type: 'module' });
  const outcome = await new Promise<Outcome>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Outcome & { error?: string }>) => (data.error ? reject(new Error(data.error)) : resolve(data));
    worker.onerror = (event) => reject(new Error(event.message));
  }).finally(() => worker.terminate());
  expect(outcome.direct).toEqual(expected(1000, 3000));
  expect(outcome.handlesWhileReading).toBe(1);
  expect(outcome.shared, 'into memory that threads share').toEqual(expected(1000, 2000));
  expect(outcome.slicesOfBlobs, 'the browser\'s own way was not needed').toBe(0);
  expect(outcome.removedAtOnce, 'locked while its handle is open, removable once it is closed').toBe(true);
  expect(outcome.readAfterRemoval).toBe(false);
  expect(outcome.locked).toEqual(expected(5000, 100));
});
