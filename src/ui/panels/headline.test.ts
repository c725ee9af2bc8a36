// The result in words: falls, rises, overlapping and separate intervals, and one document.
import { describe, expect, it } from 'vitest';
import type { TestFigure } from '../../protocol/events.ts';
import { headline } from './headline.ts';

const figure = (model: TestFigure['model'], perplexity: number, interval: readonly [number, number], documents = 5): TestFigure => ({
  model, perplexity, interval, documents, loss: Math.log(perplexity), bitsPerByte: 1, tokens: 2000, weightsHash: 'abc',
});

describe('headline', () => {
  it('says nothing before all three models were measured', () => {
    expect(headline([figure('slm', 100, [90, 110]), figure('projected', 90, [80, 100])])).toBeUndefined();
  });

  it('tells a fall with separate intervals', () => {
    const result = headline([figure('slm', 150, [140, 160]), figure('projected', 100, [90, 110]), figure('fineTuned', 20, [18, 22])]);
    expect(result?.change).toBeCloseTo(-0.8, 12);
    expect(result?.sentences[1]).toContain('80.0% lower than the projected model');
    expect(result?.sentences[1]).toContain('do not overlap');
  });

  it('tells a rise and an overlap as plainly', () => {
    const result = headline([figure('slm', 100, [90, 110], 1), figure('projected', 80, [70, 90], 1), figure('fineTuned', 88, [78, 98], 1)]);
    expect(result?.change).toBeCloseTo(0.1, 12);
    expect(result?.sentences[0]).toContain('one held-out document');
    expect(result?.sentences[1]).toContain('10.0% higher than');
    expect(result?.sentences[1]).toContain('intervals overlap');
    expect(result?.sentences[2]).toContain('12.0% lower than the plain small model');
  });
});
