// Where the bundled pack is: at the server's address in a browser, in the folder that is served in Node.

interface PackFile {
  readonly path: string;
  readonly file: Blob;
}

export type NanoPackSource = { readonly kind: 'url'; readonly url: string } | { readonly kind: 'files'; readonly files: PackFile[] };

export async function nanoPack(): Promise<NanoPackSource> {
  if (typeof location === 'object') return { kind: 'url', url: new URL('/packs/nano/', location.href).href };
  const { readdir, readFile, stat } = await import('node:fs/promises');
  const folder = new URL('../../public/packs/nano/', import.meta.url);
  const files: PackFile[] = [];
  for (const path of await readdir(folder, { recursive: true })) {
    const url = new URL(path, folder);
    if ((await stat(url)).isFile()) files.push({ path: `nano/${path}`, file: new Blob([await readFile(url)]) });
  }
  return { kind: 'files', files };
}
