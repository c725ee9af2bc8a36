// Where a pack's bytes come from: an address on the page's own origin, or a folder the user dropped. Both open as streams by path.
import { UserError } from '../core/invariant.ts';
import { MANIFEST_NAME } from './manifest.ts';

/** Structurally protocol's PackSource. */
export type PackSource =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'files'; readonly files: readonly { readonly path: string; readonly file: Blob }[] };

export interface PackFiles {
  /** The address or the folder's name, for the panel and for messages. */
  readonly origin: string;
  /** The address, where opening a file costs a download that is worth caching; absent for local files. */
  readonly url?: string;
  /** @throws UserError when the file is missing or cannot be fetched */
  open(path: string, signal?: AbortSignal): Promise<ReadableStream<Uint8Array>>;
  /** The file itself where it is already at hand (a dropped folder). */
  local(path: string): Blob | undefined;
}

export function packFiles(source: PackSource): PackFiles {
  return source.kind === 'url' ? servedFiles(source.url) : droppedFiles(source.files);
}

function servedFiles(address: string): PackFiles {
  const folder = folderAddress(address);
  return {
    origin: folder,
    url: folder,
    local: () => undefined,
    async open(path, signal) {
      let response: Response;
      try {
        // The pack cache keeps verified files; a second copy in the browser's own cache would only take room.
        response = await fetch(new URL(path, folder), { signal, cache: 'no-store', credentials: 'same-origin' });
      } catch (error) {
        if (signal?.aborted) throw error;
        throw new UserError(`${path} could not be downloaded from ${folder}: the server did not answer.`);
      }
      if (response.status === 404) throw new UserError(`${path} is missing at ${folder}.`);
      if (!response.ok || !response.body) throw new UserError(`${path} could not be downloaded from ${folder}: the server answered with status ${response.status}.`);
      return response.body;
    },
  };
}

/** The pack folder's address, ending in a slash. @throws UserError for what is no address or lies on a foreign origin */
function folderAddress(address: string): string {
  let url: URL;
  try {
    url = new URL(address.trim(), globalThis.location?.href);
  } catch {
    throw new UserError(`"${address.slice(0, 200)}" is not an address a pack could be loaded from.`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new UserError(`A pack can be loaded from an http or https address, not from ${url.protocol}.`);
  const pageOrigin = globalThis.origin as string | undefined;
  if (pageOrigin && pageOrigin !== 'null' && url.origin !== pageOrigin) {
    throw new UserError(`This page's privacy policy forbids it to contact ${url.host}: download the pack's folder yourself and drop it here instead.`);
  }
  url.hash = '';
  url.search = '';
  if (url.pathname.endsWith(`/${MANIFEST_NAME}`)) url.pathname = url.pathname.slice(0, -MANIFEST_NAME.length);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url.href;
}

function droppedFiles(files: readonly { readonly path: string; readonly file: Blob }[]): PackFiles {
  const byPath = new Map(files.map(({ path, file }) => [path.replace(/^(\.?\/)+/, ''), file]));
  const prefix = packPrefix([...byPath.keys()]);
  const origin = prefix.replace(/\/$/, '').split('/').pop() || 'dropped files';
  const local = (path: string): Blob | undefined => byPath.get(prefix + path);
  return {
    origin,
    local,
    async open(path) {
      const file = local(path);
      if (!file) throw new UserError(`${path} is missing in the folder ${origin}.`);
      return file.stream();
    },
  };
}

/** What stands before "pack.json": the folder, or folders, that were dropped around the pack. */
function packPrefix(paths: readonly string[]): string {
  const prefixes = paths
    .filter((path) => path === MANIFEST_NAME || path.endsWith(`/${MANIFEST_NAME}`))
    .map((path) => path.slice(0, -MANIFEST_NAME.length));
  if (prefixes.length === 0) throw new UserError(`There is no ${MANIFEST_NAME} among the dropped files, so they are not a pack.`);
  if (prefixes.length > 1) throw new UserError(`The dropped folder holds ${prefixes.length} packs (${prefixes.slice(0, 3).join(', ')}): drop one of them.`);
  return prefixes[0];
}
