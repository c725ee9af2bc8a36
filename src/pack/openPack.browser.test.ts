// The pack cache in a real browser: on the page's thread against a server played by `fetch`, and in a worker against the real one.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { buildTinyPack, type TinyPackOptions } from '../testing/tinyPack.ts';
import { REQUIRED_FILES } from './manifest.ts';
import { openPack } from './openPack.ts';
import { clearPackCache } from './packCache.ts';
import type { PackProgress } from './verifiedFiles.ts';

const ADDRESS = new URL('/played-pack/', location.href).href;
let served: Map<string, Blob>;
let requested: string[];

async function serve(options: TinyPackOptions = {}): Promise<void> {
  served = new Map((await buildTinyPack(options)).map(({ path, file }) => [path.replace('tiny/', ''), file]));
}

beforeEach(async () => {
  await clearPackCache();
  await serve();
  requested = [];
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input) => {
    const name = String(input).replace(ADDRESS, '');
    requested.push(name);
    const file = served.get(name);
    return file ? new Response(file.stream()) : new Response('not found', { status: 404 });
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const open = (onProgress?: (progress: PackProgress) => void) => openPack({ kind: 'url', url: ADDRESS }, { onProgress });
const packFolder = async (): Promise<FileSystemDirectoryHandle> => (await navigator.storage.getDirectory()).getDirectoryHandle('packs', { create: true });
async function cachedNames(): Promise<string[]> {
  const names: string[] = [];
  for await (const name of (await packFolder()).keys()) names.push(name);
  return names.sort();
}
async function overwrite(name: string, content: BlobPart): Promise<void> {
  const writable = await (await (await packFolder()).getFileHandle(name, { create: true })).createWritable();
  await writable.write(new Blob([content]));
  await writable.close();
}

describe('the pack cache', () => {
  it('downloads nothing on a second visit', async () => {
    const first = await open();
    expect(first.cacheWarning).toBeUndefined();
    expect(first.downloadedBytes).toBe(first.bytes + served.get('pack.json')!.size);
    expect(requested.toSorted()).toEqual(['pack.json', ...REQUIRED_FILES].toSorted());
    requested = [];
    const progress: PackProgress[] = [];
    const second = await open((event) => progress.push(event));
    expect(requested).toEqual([]);
    expect(second.downloadedBytes).toBe(0);
    expect(progress.every(({ fromCache }) => fromCache)).toBe(true);
    expect(progress.at(-1)).toMatchObject({ bytesLoaded: second.bytes, bytesTotal: second.bytes });
    expect(await second.pn.readBytes('projected_network.E')).toEqual(await first.pn.readBytes('projected_network.E'));
    expect((await cachedNames()).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('downloads again, alone, a cached file that was damaged or cut short', async () => {
    const { sha256 } = (await open()).manifest.files.get('slm.safetensors')!;
    const whole = new Uint8Array(await served.get('slm.safetensors')!.arrayBuffer());
    const flipped = whole.slice();
    flipped[flipped.length - 1] ^= 1;
    await overwrite(sha256, flipped);
    requested = [];
    expect((await open()).downloadedBytes).toBe(whole.length);
    expect(requested).toEqual(['slm.safetensors']);

    await overwrite(sha256, whole.slice(0, 100));
    requested = [];
    expect((await open()).downloadedBytes).toBe(whole.length + served.get('pack.json')!.size);
    expect(requested).toEqual(['pack.json', 'slm.safetensors']);
    requested = [];
    await open();
    expect(requested).toEqual([]);
  });

  it('takes no notice of what a killed tab left half-written', async () => {
    const { sha256 } = (await open()).manifest.files.get('pn.safetensors')!;
    await clearPackCache();
    await overwrite(`${sha256}.part`, 'half a file, longer or shorter than the whole');
    const pack = await open();
    expect(pack.cacheWarning).toBeUndefined();
    expect(await pack.pn.readFloats('projected_network.E')).toHaveLength(20);
    expect(await cachedNames()).not.toContain(`${sha256}.part`);
  });

  it('leaves nothing behind of a pack that is wrong, and stays usable', async () => {
    await serve({ editTensors: (file, tensors) => { if (file === 'pn.safetensors') new DataView(tensors.get('projected_network.E')!.bytes.buffer).setFloat32(0, NaN, true); } });
    await expect(open()).rejects.toThrow('pn.safetensors: tensor projected_network.E holds a value that is NaN');
    expect(await cachedNames()).toEqual([]);
    await serve({ damageFile: (file, bytes) => (file === 'slm.safetensors' ? bytes.slice(0, -5) : bytes) });
    await expect(open()).rejects.toThrow('slm.safetensors is truncated');
    expect((await cachedNames()).filter((name) => name.endsWith('.part') || name.startsWith('manifest'))).toEqual([]);
    await serve();
    expect((await open()).name).toBe('tiny');
  });

  it('notices a changed pack after the cache is cleared, and when a damaged file is another one by now', async () => {
    const { manifest } = await open();
    await serve({ seed: 2, manifest: { name: 'newer' } });
    expect((await open()).name).toBe('tiny');
    await overwrite(manifest.files.get('pn.safetensors')!.sha256, new Uint8Array(manifest.files.get('pn.safetensors')!.bytes));
    expect((await open()).name).toBe('newer');
    await serve({ seed: 3, manifest: { name: 'newest' } });
    expect(await clearPackCache()).toBeGreaterThan(10_000);
    expect((await open()).name).toBe('newest');
  });

  it('goes on in memory, with a warning, where the browser stores nothing or has no room', async () => {
    vi.spyOn(navigator.storage, 'getDirectory').mockRejectedValue(new DOMException('denied', 'SecurityError'));
    const unstored = await open();
    expect(unstored.cacheWarning).toBe('This browser stores no files for this page, so the pack is kept in memory and will be downloaded again on the next visit.');
    expect(await unstored.pn.readFloats('projected_network.E')).toHaveLength(20);
    vi.mocked(navigator.storage.getDirectory).mockRestore();

    vi.spyOn(navigator.storage, 'estimate').mockResolvedValue({ quota: 1000, usage: 990 });
    const cramped = await open();
    expect(cramped.cacheWarning).toMatch(/^The browser has no room left for this page, so the pack is kept in memory/);
    expect(await cramped.slm.readFloats('model.norm.weight')).toHaveLength(16);
    vi.mocked(navigator.storage.estimate).mockRestore();

    vi.spyOn(FileSystemWritableFileStream.prototype, 'write').mockRejectedValue(new DOMException('full', 'QuotaExceededError'));
    const full = await open();
    expect(full.cacheWarning).toMatch(/^The browser ran out of room for this page, so the pack is kept in memory/);
    expect(await full.pn.readFloats('projected_network.E')).toHaveLength(20);
    expect(await cachedNames()).toEqual([]);
  });

  it('reads from a cleared cache fail in a sentence', async () => {
    const { pn } = await open();
    await clearPackCache();
    await expect(pn.readFloats('projected_network.E')).rejects.toThrow('pn.safetensors can no longer be read (tensor projected_network.E)');
  });

  it('resumes after a broken connection with what it already has', async () => {
    const pn = served.get('pn.safetensors')!;
    served.delete('pn.safetensors');
    await expect(open()).rejects.toThrow(`pn.safetensors is missing at ${ADDRESS}.`);
    served.set('pn.safetensors', pn);
    requested = [];
    await open();
    expect(requested).toEqual(['pack.json', 'pn.safetensors']);
  });
});

describe('an address', () => {
  it('on a foreign origin is refused without a request', async () => {
    await expect(openPack({ kind: 'url', url: 'https://example.org/pack/' })).rejects.toThrow("This page's privacy policy forbids it to contact example.org: download the pack's folder yourself and drop it here instead.");
    expect(requested).toEqual([]);
  });

  it('may lack its slash or name pack.json', async () => {
    expect((await openPack({ kind: 'url', url: ADDRESS.slice(0, -1) })).origin).toBe(ADDRESS);
    expect((await openPack({ kind: 'url', url: `${ADDRESS}pack.json` })).downloadedBytes).toBe(0);
  });

  it('that answers with a web page or not at all gets a sentence', async () => {
    served.set('pack.json', new Blob(['<!doctype html><title>Nothing here</title>']));
    await expect(open()).rejects.toThrow('pack.json is not valid JSON (it looks like a web page');
    vi.mocked(globalThis.fetch).mockRejectedValue(new TypeError('Failed to fetch'));
    await expect(open()).rejects.toThrow(`pack.json could not be downloaded from ${ADDRESS}: the server did not answer.`);
  });
});

describe('in a worker', () => {
  interface Visit { downloadedBytes: number; bytes: number; cacheWarning?: string; requests: number; writers: number; readers: number; seconds: number; e: number[] }

  /** Opens the nano pack from the real server in a module worker, where sync access handles write the cache. */
  function visit(): Promise<Visit> {
    const code = `
      import { openPack } from '${new URL('./openPack.ts', import.meta.url).href}';
      const fetched = [];
      const realFetch = self.fetch;
      self.fetch = (...args) => { fetched.push(String(args[0])); return realFetch(...args); };
      let writers = 0;
      let readers = 0;
      const realHandle = FileSystemFileHandle.prototype.createSyncAccessHandle;
      FileSystemFileHandle.prototype.createSyncAccessHandle = function (options) { options?.mode === 'read-only' ? readers++ : writers++; return realHandle.call(this, options); };
      const start = performance.now();
      openPack({ kind: 'url', url: '${new URL('/packs/nano/', location.href).href}' }).then(async (pack) => {
        const e = Array.from(await pack.pn.readFloats('projected_network.E'));
        postMessage({ downloadedBytes: pack.downloadedBytes, bytes: pack.bytes, cacheWarning: pack.cacheWarning, requests: fetched.length, writers, readers, seconds: (performance.now() - start) / 1000, e });
      }, (error) => postMessage({ error: String(error) }));`;
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })), { type: 'module' });
    return new Promise<Visit>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<Visit & { error?: string }>) => (data.error ? reject(new Error(data.error)) : resolve(data));
      worker.onerror = (event) => reject(new Error(event.message));
    }).finally(() => worker.terminate());
  }

  it('stores the nano pack through sync access handles and reads it back without a request', async () => {
    const first = await visit();
    const files = REQUIRED_FILES.length + 1;
    expect(first).toMatchObject({ requests: files, writers: files, cacheWarning: undefined });
    expect(first.readers, 'weights are read through handles').toBeGreaterThan(0);
    expect(first.downloadedBytes).toBeGreaterThan(first.bytes);
    const second = await visit();
    expect(second).toMatchObject({ requests: 0, writers: 0, downloadedBytes: 0 });
    expect(second.e).toEqual(first.e);
    console.info(`nano pack in a worker: first visit ${first.seconds.toFixed(2)} s, second ${second.seconds.toFixed(2)} s`);
  });
});
