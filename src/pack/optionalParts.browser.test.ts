// Optional parts from a server played by `fetch`, with the browser's real storage: fetched only when asked for, cached, and retried after failures.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { TinyPackOptions } from '../testing/tinyPack.ts';
import { buildFullTinyPack } from '../testing/tinyPackParts.ts';
import { openPack, type Pack } from './openPack.ts';
import { clearPackCache } from './packCache.ts';
import type { PackProgress } from './verifiedFiles.ts';

const ADDRESS = new URL('/played-full-pack/', location.href).href;
const NORM = 'model.norm.weight';
let served: Map<string, Blob>;
let requested: string[];
let isOffline: boolean;

async function serve(options: TinyPackOptions = {}): Promise<void> {
  served = new Map((await buildFullTinyPack(options)).map(({ path, file }) => [path.replace('tiny/', ''), file]));
}

beforeEach(async () => {
  await clearPackCache();
  await serve();
  requested = [];
  isOffline = false;
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input) => {
    if (isOffline) throw new TypeError('Failed to fetch');
    const name = String(input).replace(ADDRESS, '');
    requested.push(name);
    const file = served.get(name);
    return file ? new Response(file.stream()) : new Response('not found', { status: 404 });
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const open = async (): Promise<Pack> => openPack({ kind: 'url', url: ADDRESS });
async function cachedNames(): Promise<string[]> {
  const names: string[] = [];
  const root = await navigator.storage.getDirectory();
  for await (const name of (await root.getDirectoryHandle('packs', { create: true })).keys()) names.push(name);
  return names.sort();
}

it('fetches a part when it is asked for and no other, and not again', async () => {
  const pack = await open();
  expect(requested.filter((name) => /^(mix|llm|reservoir)/.test(name))).toEqual([]);
  requested = [];
  await pack.readMixtureExpert(3);
  expect(requested).toEqual(['mix/3.safetensors']);
  await pack.readLargeModel();
  await pack.readReservoir();
  await pack.readMixtureExpert(3);
  expect(requested).toEqual(['mix/3.safetensors', 'llm/config.json', 'llm/model.safetensors', 'reservoir.bin']);
});

it('reads the parts of an earlier visit from the cache, offline too', async () => {
  const first = await open();
  const expert = await first.readMixtureExpert(1);
  const reservoir = await first.readReservoir();
  isOffline = true;
  requested = [];
  const second = await open();
  const progress: PackProgress[] = [];
  expect(await (await second.readMixtureExpert(1, { onProgress: (event) => progress.push(event) })).readFloats(NORM)).toEqual(await expert.readFloats(NORM));
  expect((await second.readReservoir()).clusters).toEqual(reservoir.clusters);
  expect(requested).toEqual([]);
  expect(progress.length).toBeGreaterThan(0);
  expect(progress.every(({ fromCache }) => fromCache)).toBe(true);
});

it('that cannot be fetched gives a sentence, and works once the server answers', async () => {
  const pack = await open();
  const cached = await cachedNames();
  isOffline = true;
  await expect(pack.readLargeModel()).rejects.toThrow(`llm/config.json could not be downloaded from ${ADDRESS}: the server did not answer.`);
  await expect(pack.readReservoir()).rejects.toThrow('reservoir.bin could not be downloaded');
  expect(await pack.slm.readFloats(NORM)).toHaveLength(16);
  expect(await cachedNames()).toEqual(cached);
  isOffline = false;
  expect((await pack.readLargeModel()).model.hiddenSize).toBe(24);
  expect((await pack.readReservoir()).clusters).toHaveLength(4);
});

it('that breaks off or is another one by now leaves no trace, and the next visit believes the server again', async () => {
  const pack = await open();
  const cached = await cachedNames();
  const whole = served.get('mix/2.safetensors')!;
  served.set('mix/2.safetensors', whole.slice(0, 500));
  await expect(pack.readMixtureExpert(2)).rejects.toThrow('mix/2.safetensors is truncated: it has 500 bytes');
  expect((await cachedNames()).filter((name) => !name.startsWith('manifest'))).toEqual(cached.filter((name) => !name.startsWith('manifest')));
  served.set('mix/2.safetensors', whole);
  expect((await pack.readMixtureExpert(2)).name).toBe('mix/2.safetensors');

  await serve({ seed: 2, editTensors: (file, tensors) => { if (file === 'mix/0.safetensors') new DataView(tensors.get(NORM)!.bytes.buffer).setFloat32(0, 77, true); } });
  await expect(pack.readMixtureExpert(0)).rejects.toThrow('mix/0.safetensors is damaged: its SHA-256 is');
  requested = [];
  expect((await (await (await open()).readMixtureExpert(0)).readFloats(NORM))[0]).toBe(77);
  expect(requested[0]).toBe('pack.json');
});

it('that is wrong in itself is not kept, and takes nothing of the pack with it', async () => {
  await serve({ editTensors: (file, tensors) => { if (file === 'llm/model.safetensors') new DataView(tensors.get(NORM)!.bytes.buffer).setFloat32(0, NaN, true); } });
  const pack = await open();
  const cached = await cachedNames();
  await expect(pack.readLargeModel()).rejects.toThrow(`llm/model.safetensors: tensor ${NORM} holds a value that is NaN`);
  expect(await cachedNames()).toEqual(cached);
  expect((await pack.readMixtureExpert(0)).name).toBe('mix/0.safetensors');
});

it('that is cancelled leaves no half file, and can be asked for again', async () => {
  const pack = await open();
  const controller = new AbortController();
  await expect(pack.readReservoir({ signal: controller.signal, onProgress: () => controller.abort() })).rejects.toMatchObject({ name: 'AbortError' });
  expect((await cachedNames()).filter((name) => name.endsWith('.part'))).toEqual([]);
  expect((await pack.readReservoir()).numTokens).toBe(2652);
});

it('stays in memory where the browser stores nothing', async () => {
  vi.spyOn(navigator.storage, 'getDirectory').mockRejectedValue(new DOMException('denied', 'SecurityError'));
  const pack = await open();
  requested = [];
  expect(await (await pack.readMixtureExpert(1)).readFloats(NORM)).toHaveLength(16);
  expect((await pack.readReservoir()).clusters).toHaveLength(4);
  await pack.readMixtureExpert(1);
  expect(requested).toEqual(['mix/1.safetensors', 'reservoir.bin']);
});
