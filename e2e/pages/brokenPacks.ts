// Copies of the bundled pack, each broken in one way, as folders a person could drop. Damage that a hash would catch is also made with the hash put
// right, so that the checks behind the hash are reached.
import { createHash } from 'node:crypto';
import { cpSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACK_FOLDER } from './texts.ts';

export interface BrokenPack {
  readonly title: string;
  /** What the page's sentence must name. */
  readonly names: RegExp;
  /** Breaks the copy in `folder`. */
  damage(folder: string): void;
}

const SMALL_MODEL = 'slm.safetensors';

/** Changes a file's bytes; the manifest goes on telling the old hash. */
function edit(folder: string, name: string, change: (bytes: Buffer) => Buffer): void {
  writeFileSync(join(folder, name), change(readFileSync(join(folder, name))));
}

/** Changes a file's bytes and its size and hash in the manifest. */
function editAndSign(folder: string, name: string, change: (bytes: Buffer) => Buffer): void {
  edit(folder, name, change);
  const bytes = readFileSync(join(folder, name));
  const manifest = JSON.parse(readFileSync(join(folder, 'pack.json'), 'utf8')) as { files: Record<string, { bytes: number; sha256: string }> };
  manifest.files[name] = { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  writeFileSync(join(folder, 'pack.json'), JSON.stringify(manifest));
}

export const BROKEN_PACKS: readonly BrokenPack[] = [
  {
    title: 'a flipped byte',
    names: /pn\.safetensors/,
    damage: (folder) => edit(folder, 'pn.safetensors', (bytes) => {
      bytes[bytes.length >> 1] ^= 0x01;
      return bytes;
    }),
  },
  {
    title: 'a truncated file',
    names: /slm\.safetensors/,
    damage: (folder) => truncateSync(join(folder, SMALL_MODEL), statSync(join(folder, SMALL_MODEL)).size >> 1),
  },
  {
    title: 'a wrong shape',
    names: /slm\.safetensors.*model\.embed_tokens\.weight|model\.embed_tokens\.weight.*slm\.safetensors/,
    damage: (folder) => editAndSign(folder, SMALL_MODEL, (bytes) => {
      const { vocab_size: V, hidden_size: C } = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as { vocab_size: number; hidden_size: number };
      const at = bytes.indexOf(`"shape":[${V},${C}]`);
      if (at < 0) throw new Error('the embedding is not where this test expects it');
      bytes.write(`"shape":[${C},${V}]`, at, 'latin1');
      return bytes;
    }),
  },
  {
    title: 'a header length of 2^60',
    names: /slm\.safetensors/,
    damage: (folder) => editAndSign(folder, SMALL_MODEL, (bytes) => {
      bytes.writeBigUInt64LE(2n ** 60n, 0);
      return bytes;
    }),
  },
  {
    title: 'NaN weights',
    names: /slm\.safetensors/,
    damage: (folder) => editAndSign(folder, SMALL_MODEL, (bytes) => {
      const dataStart = 8 + Number(bytes.readBigUInt64LE(0));
      // Eight bytes of ones are NaN in float16 and in float32.
      return bytes.fill(0xff, dataStart + 8 * 1000, dataStart + 8 * 1001);
    }),
  },
];

/** A broken copy of the bundled pack in `folder`. */
export function makeBrokenPack(pack: BrokenPack, folder: string): void {
  cpSync(PACK_FOLDER, folder, { recursive: true });
  pack.damage(folder);
}
