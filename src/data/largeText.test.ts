// Hundreds of megabytes simply work: streamed, with progress, in memory that holds the tokens and little else. The text is made on the fly; every
// paragraph is different, so nothing is dropped.
import { describe, expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import { file, load, prose } from './loading.fixture.ts';
import type { LoadProgress } from './loadCorpus.ts';

/** STUDIO_LARGE_TEXT_MB=300 runs the full size by hand; the suite takes what fits its time on two shared cores. */
const MEGABYTES = Number(process.env.STUDIO_LARGE_TEXT_MB ?? 60);

/** About `megabytes` of text: words drawn at random from 4,000, a number now and then, a blank line every 60 words. */
function largeText(megabytes: number): Blob {
  const words = prose(1, 4000).split(/\s+/);
  const random = createRandom(2);
  const parts: Blob[] = [];
  for (let part = 0; part < megabytes; part++) {
    let text = '';
    for (let i = 0; text.length < 1e6; i++) text += words[random.integer(words.length)] + (i % 60 === 59 ? `, entry ${part}-${i}.\n\n` : ' ');
    parts.push(new Blob([text]));
  }
  return new Blob(parts);
}

describe('a very large text', () => {
  it(`reads ${MEGABYTES} MB as it streams, with progress`, async () => {
    const blob = largeText(MEGABYTES);
    const told: LoadProgress[] = [];
    let peak = 0;
    const heap = (): number => process.memoryUsage().heapUsed;
    const before = heap();
    const loaded = await load([file('large.txt', blob)], {
      onProgress: (progress) => {
        told.push(progress);
        peak = Math.max(peak, heap() - before);
      },
    });
    const { corpus, seconds } = loaded;
    console.log(`${(blob.size / 1e6).toFixed(0)} MB in ${seconds.toFixed(1)} s: ${(blob.size / 1e6 / seconds).toFixed(1)} MB/s, ${corpus.numDocuments} documents, ${corpus.numTokens} tokens, heap peak ${(peak / 1e6).toFixed(0)} MB`);
    expect(corpus.bytes).toBeGreaterThan(0.99 * blob.size);
    expect([loaded.exactDuplicates, loaded.nearDuplicates]).toEqual([0, 0]);
    expect(corpus.numDocuments).toBeGreaterThan(MEGABYTES * 50);
    expect(told.length).toBeGreaterThan(10);
    expect(told.filter(({ bytesRead }) => bytesRead > 0 && bytesRead < blob.size).length).toBeGreaterThan(5);
    // The stock of held documents, the caches and garbage not yet collected; independent of the text's size.
    expect(peak).toBeLessThan(400e6);
  }, 300_000);
});
