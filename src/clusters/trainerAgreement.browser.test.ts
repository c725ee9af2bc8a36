// The trainer and the studio place every text alike: what pretrain's own arithmetic says of each window (trainer_agreement.json, written by
// `python -m pretrain.clusters.write_fixture`) against tokenizer, encoder.onnx and nearest centroid in the browser. The fixture's own documents are
// always compared; the domains' test documents where ../shared lies beside the project, which the fixture knows by hash.
import { beforeAll, describe, expect, it } from 'vitest';
import { openPack, type Pack } from '../pack/openPack.ts';
import agreement from '../testing/fixtures/clusters/trainer_agreement.json';
import { createTokenizer, type TextTokenizer } from '../tokenizer/tokenizer.ts';
import { clusterHistogram, nearestCentroid } from './assign.ts';
import { createDocumentEncoder, type DocumentEncoder } from './documentEncoder.ts';

const HASH_DIGITS = 16;
const DOMAINS = Object.keys(agreement.domains) as (keyof typeof agreement.domains)[];

/** Addresses of the domains' test files by path; empty without ../shared. Imported, because the dev server gives nothing else from outside the project. */
const TEST_FILES = import.meta.glob<string>('../../../shared/corpus/domains/*.test.jsonl.gz', { query: '?url', import: 'default', eager: true });
const GZIP_MAGIC = [0x1f, 0x8b];

let pack: Pack;
let tokenizer: TextTokenizer;
let encoder: DocumentEncoder;

beforeAll(async () => {
  pack = await openPack({ kind: 'url', url: new URL('/packs/nano/', location.href).href });
  tokenizer = createTokenizer(pack.tokenizerJson, pack.tokenizerConfig);
  encoder = await createDocumentEncoder(await pack.readEncoder(), pack);
});

/** The cluster of each window, as the studio's own pass over a text finds them. */
async function clustersOf(text: string): Promise<number[]> {
  const clusters: number[] = [];
  const listening = {
    embed: async (tokens: ArrayLike<number>) => {
      const embedding = await encoder.embed(tokens);
      clusters.push(nearestCentroid(embedding, pack.centroids));
      return embedding;
    },
  };
  const { counts } = await clusterHistogram(listening, pack.centroids, [tokenizer.encode(text)], pack);
  expect(counts).toEqual(counts.map((_, cluster) => clusters.filter((found) => found === cluster).length));
  return clusters;
}

async function textsOf(url: string): Promise<string[]> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  const bytes = await response.arrayBuffer();
  // The dev server calls .gz files gzip-encoded, so that the browser has unpacked them already; another server may not.
  const isPacked = new Uint8Array(bytes, 0, 2).every((byte, i) => byte === GZIP_MAGIC[i]);
  const jsonLines = await (isPacked ? new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))) : new Response(bytes)).text();
  return jsonLines.split('\n').filter((line) => line.trim() !== '').map((line) => (JSON.parse(line) as { text: string }).text);
}

async function hashOf(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('').slice(0, HASH_DIGITS);
}

describe('clusters agree with the trainer', () => {
  it('on a pack of the same files', () => {
    const files = Object.fromEntries(Object.keys(agreement.pack_sha256).map((name) => [name, pack.manifest.files.get(name)?.sha256]));
    expect(files, 'the pack changed: run python -m pretrain.clusters.write_fixture').toEqual(agreement.pack_sha256);
  });

  it(`for the ${agreement.documents.length} documents of the fixture`, async () => {
    expect(agreement.documents.length).toBeGreaterThan(20);
    const found = [];
    for (const { text } of agreement.documents) found.push({ text, clusters: await clustersOf(text) });
    expect(found).toEqual(agreement.documents);
    expect(new Set(found.flatMap(({ clusters }) => clusters)).size).toBeGreaterThan(3);
    expect(Math.max(...found.map(({ clusters }) => clusters.length))).toBeGreaterThan(1);
  });

  it.skipIf(Object.keys(TEST_FILES).length === 0).each(DOMAINS)('for every test document of %s (needs ../shared/corpus/domains)', async (domain) => {
    const address = TEST_FILES[`../../../shared/corpus/domains/${domain}.test.jsonl.gz`];
    if (!address) throw new Error(`../shared/corpus/domains has no ${domain}.test.jsonl.gz`);
    const found: (string | number[])[][] = [];
    for (const text of await textsOf(address)) found.push([await hashOf(text), await clustersOf(text)]);
    expect(found.length).toBeGreaterThan(10);
    expect(found).toEqual(agreement.domains[domain]);
  });
});
