// For the tests of this folder only: the nano pack's tokenizer, files made in memory, and loading with the defaults.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { BlobWriter, TextReader, ZipWriter } from '@zip.js/zip.js/index-native.js';
import { createRandom } from '../core/random.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import type { TextSource } from './byteFile.ts';
import type { ExpansionLimits } from './expansionGuard.ts';
import { loadCorpus, type LoadedCorpus, type LoadOptions } from './loadCorpus.ts';

const PACK = resolve(import.meta.dirname, '../../public/packs/nano');
const packJson = (name: string): unknown => JSON.parse(readFileSync(`${PACK}/${name}`, 'utf8'));

export const nanoTokenizer = createTokenizer(packJson('tokenizer.json'), packJson('tokenizer_config.json'));

export function file(path: string, content: string | Uint8Array<ArrayBuffer> | Blob): TextSource {
  return { path, blob: content instanceof Blob ? content : new Blob([content]) };
}

export async function gzip(content: string | Blob): Promise<Blob> {
  return new Response(new Blob([content]).stream().pipeThrough(new CompressionStream('gzip'))).blob();
}

export async function zip(entries: Readonly<Record<string, string | Blob>>, password?: string): Promise<Blob> {
  const writer = new ZipWriter(new BlobWriter('application/zip'), { useWebWorkers: false });
  for (const [name, content] of Object.entries(entries)) {
    await writer.add(name, typeof content === 'string' ? new TextReader(content) : content.stream(), { password });
  }
  return writer.close();
}

export function load(sources: readonly TextSource[], options: { fields?: Record<string, string>; nearDuplicateThreshold?: number; limits?: ExpansionLimits } & Pick<LoadOptions, 'signal' | 'onProgress'> = {}): Promise<LoadedCorpus> {
  const { fields = {}, nearDuplicateThreshold = 0.8, ...rest } = options;
  return loadCorpus(sources, { tokenizer: nanoTokenizer, config: { fields, nearDuplicateThreshold }, ...rest });
}

const SYLLABLES = ['ba', 'ke', 'lo', 'mi', 'nu', 'ra', 'so', 'ti', 'va', 'zen', 'dor', 'fal', 'gri', 'hol', 'jun', 'pel'];

/** Made-up prose: distinct for every seed, `numWords` words, a full stop now and then and a blank line every hundred words. */
export function prose(seed: number, numWords: number): string {
  const random = createRandom(seed);
  const words: string[] = [];
  for (let i = 0; i < numWords; i++) {
    const word = SYLLABLES[random.integer(16)] + SYLLABLES[random.integer(16)] + (random.integer(2) ? SYLLABLES[random.integer(16)] : '');
    words.push(i % 100 === 99 ? `${word}.\n\n` : i % 11 === 10 ? `${word}. ` : `${word} `);
  }
  return words.join('').trim();
}

/** Texts of all documents, decoded from the tokens. */
export function textsOf({ corpus }: LoadedCorpus): string[] {
  return Array.from({ length: corpus.numDocuments }, (_, i) => {
    const tokens = new Uint32Array(corpus.tokenCountOf(i));
    corpus.copyTokens(i, 0, tokens.length, tokens, 0);
    return nanoTokenizer.decode(tokens);
  });
}

export function pathsOf({ corpus }: LoadedCorpus): string[] {
  return Array.from({ length: corpus.numDocuments }, (_, i) => corpus.document(i).path);
}
