import { describe, expect, it } from 'vitest';
import { provenanceSentences, type PackManifest } from './manifest.ts';

const said = (provenance: PackManifest['provenance']): string => provenanceSentences({ provenance } as PackManifest);

describe('where a pack comes from', () => {
  it('is told in sentences', () => {
    expect(said({ corpus: 'two sources', trained_tokens: 1000, note: 'made by hand.' })).toBe('Pretrained on 1,000 tokens from two sources. Made by hand.');
    expect(said({ corpus: 'two sources' })).toBe('Pretrained on two sources.');
    expect(said({})).toBe('The pack does not say where it came from.');
  });

  it('ends after a whole word where it is too long', () => {
    const corpus = Array.from({ length: 100 }, (_, i) => `source_${i}`).join(', ');
    const [, names] = said({ corpus }).split('Pretrained on ');
    expect(names.length).toBeLessThanOrEqual(600);
    expect(names).toMatch(/^source_0, .*source_\d+, …$/);
    expect(corpus.startsWith(`${names.slice(0, -1)}source_`)).toBe(true);
  });
});
