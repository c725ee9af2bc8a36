import { describe, expect, it } from 'vitest';
import { UserError } from '../core/invariant.ts';
import { HASH_BYTES } from './contentHash.ts';
import { Corpus } from './corpus.ts';
import { nanoTokenizer } from './loading.fixture.ts';
import { splitCorpus } from './split.ts';
import { IGNORED_TARGET, TrainingWindows, checkTrainable, evaluationText } from './windows.ts';

const EOT = 0;

/** Tokens of document i are i*1000 + 1, 2, 3 ...: each token of the corpus is unique. */
function corpusOf(lengths: readonly number[]): Corpus {
  const corpus = new Corpus({ vocabSize: 60_000, tokenBytes: () => undefined });
  lengths.forEach((length, i) => corpus.append({ path: `${i}.txt`, part: 0, bytes: 4 * length, hash: new Uint8Array(HASH_BYTES) }, Uint32Array.from({ length }, (_, t) => i * 1000 + t + 1)));
  return corpus;
}

const lengths = [7, 30, 1, 12, 25, 0, 18];
const all = lengths.map((_, i) => i);
const settings = { endOfText: EOT, seqLen: 8, seed: 4 };
/** Stream: 93 tokens and 7 separators, so 99 targets. */
const WINDOWS = 13;

function batches(windows: TrainingWindows, count: number, batchSize = 1): { tokens: number[]; targets: number[] }[] {
  return Array.from({ length: count }, () => {
    const tokens = new Uint32Array(batchSize * settings.seqLen);
    const targets = new Uint32Array(batchSize * settings.seqLen);
    windows.next(batchSize, tokens, targets);
    return { tokens: [...tokens], targets: [...targets] };
  });
}

describe('TrainingWindows', () => {
  it('predicts every token of every document in every epoch, each after the token before it', () => {
    const windows = new TrainingWindows(corpusOf(lengths), all, settings);
    expect(windows.windowsPerEpoch).toBe(WINDOWS);
    for (let epoch = 0; epoch < 3; epoch++) {
      const pairs = batches(windows, WINDOWS).flatMap(({ tokens, targets }) => tokens.map((token, t) => [token, targets[t]]));
      const seen = new Set(pairs.map(([, target]) => target));
      lengths.forEach((length, i) => { for (let t = 1; t <= length; t++) expect(seen.has(i * 1000 + t)).toBe(true); });
      for (const [token, target] of pairs) {
        const isFirst = target !== EOT && target % 1000 === 1;
        if (target === EOT) expect(token === EOT || token % 1000 === lengths[Math.floor(token / 1000)]).toBe(true);
        else expect(token).toBe(isFirst ? EOT : target - 1);
      }
      // Only the last window reaches back: at most a window's worth is seen twice.
      expect(pairs.length - 99).toBeLessThan(settings.seqLen);
    }
  });

  it('joins targets to tokens within a window', () => {
    for (const { tokens, targets } of batches(new TrainingWindows(corpusOf(lengths), all, settings), WINDOWS)) expect(targets.slice(0, -1)).toEqual(tokens.slice(1));
  });

  it('shuffles documents and windows anew in each epoch, and repeats from the seed', () => {
    const corpus = corpusOf(lengths);
    const run = batches(new TrainingWindows(corpus, all, settings), 2 * WINDOWS);
    expect(batches(new TrainingWindows(corpus, all, settings), 2 * WINDOWS)).toEqual(run);
    expect(run.slice(WINDOWS)).not.toEqual(run.slice(0, WINDOWS));
    expect(batches(new TrainingWindows(corpus, all, { ...settings, seed: 5 }), WINDOWS)).not.toEqual(run.slice(0, WINDOWS));
  });

  it('continues after seek as it would have', () => {
    const corpus = corpusOf(lengths);
    const run = batches(new TrainingWindows(corpus, all, settings), 12, 3);
    const resumed = new TrainingWindows(corpus, all, settings);
    resumed.seek(7 * 3);
    expect(batches(resumed, 5, 3)).toEqual(run.slice(7));
    expect(resumed.windowsConsumed).toBe(36);
    resumed.seek(0);
    expect(batches(resumed, 2, 3)).toEqual(run.slice(0, 2));
  });

  it('does not depend on the batch size', () => {
    const corpus = corpusOf(lengths);
    const single = batches(new TrainingWindows(corpus, all, settings), 12).flatMap(({ tokens }) => tokens);
    expect(batches(new TrainingWindows(corpus, all, settings), 3, 4).flatMap(({ tokens }) => tokens)).toEqual(single);
  });

  it('reads only the documents it was given, and exactly one window when that is all there is', () => {
    const windows = new TrainingWindows(corpusOf(lengths), [0, 2], { ...settings, seqLen: 9 });
    expect(windows.windowsPerEpoch).toBe(1);
    const tokens = new Uint32Array(9);
    const targets = new Uint32Array(9);
    windows.next(1, tokens, targets);
    expect([...tokens, targets[8]].filter((token) => token !== EOT).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 2001]);
  });

  it('refuses less than one window', () => {
    expect(() => new TrainingWindows(corpusOf([5]), [0], settings)).toThrow(UserError);
    expect(() => new TrainingWindows(corpusOf([]), [], settings)).toThrow('There is too little text: 0 tokens to train on, where one context of this model takes 9.');
  });
});

describe('checkTrainable', () => {
  const split = { validationShare: 0.1, testShare: 0.1, seed: 1 };
  const check = (documentLengths: readonly number[]) => () => {
    const corpus = corpusOf(documentLengths);
    checkTrainable(corpus, splitCorpus(corpus, split), 128);
  };

  it('says what is missing, in one sentence', () => {
    expect(check([400, 50, 50])).not.toThrow();
    expect(check([127 + 1, 400, 400])).not.toThrow();
    expect(check([60, 50, 50])).toThrow('There is too little text: 61 tokens to train on, where one context of this model takes 129.');
    expect(check([400])).toThrow('There is too little text to hold out a validation document: it makes 1 document, and three are needed.');
    expect(check([400, 400])).toThrow('hold out a test document: it makes 2 documents');
    expect(check([])).toThrow(UserError);
  });
});

describe('evaluationText', () => {
  const read = (documents: readonly number[], maxTokens: number, seqLen = 8, corpus = corpusOf(lengths)) => {
    const text = evaluationText(corpus, documents, EOT, seqLen, maxTokens);
    const windows = [...text.windows].length;
    const targets: { token: number; target: number; document: number }[] = [];
    for (const window of text.windows) {
      for (let t = 0; t < seqLen; t++) if (window.targets[t] !== IGNORED_TARGET) targets.push({ token: window.tokens[t], target: window.targets[t], document: window.documents[t] });
    }
    return { ...text, windows, targets };
  };

  it('predicts each token and each document\'s end exactly once, booked to its document', () => {
    const documents = [4, 0, 3];
    const { numDocuments, numTokens, numBytes, windows, targets } = read(documents, Infinity);
    expect({ numDocuments, numTokens, numBytes, windows }).toEqual({ numDocuments: 3, numTokens: 47, numBytes: 4 * 44, windows: 6 });
    expect(targets).toHaveLength(47);
    documents.forEach((document, place) => {
      const own = targets.filter((target) => target.document === place);
      expect(own.map(({ target }) => target)).toEqual([...Array.from({ length: lengths[document] }, (_, t) => document * 1000 + t + 1), EOT]);
      expect(own[0].token).toBe(EOT);
    });
  });

  it('takes beginnings spread over the documents, the same every time', () => {
    const corpus = corpusOf([500, 90, 300, 40, 800]);
    const { numTokens, numBytes, targets } = read([0, 1, 2, 3, 4], 400, 8, corpus);
    // Caps at 90: 90 + 90 + 90 + 40 + 90, and the two whole documents' ends.
    expect(numTokens).toBe(402);
    expect(targets).toHaveLength(402);
    expect(numBytes).toBe(1600);
    expect(new Set(targets.map(({ document }) => document)).size).toBe(5);
    expect(targets.filter(({ target }) => target === EOT).map(({ document }) => document)).toEqual([1, 3]);
    expect(targets.filter(({ target, document }) => target % 1000 === 1 && document > 0).every(({ token }) => token === EOT)).toBe(true);
    expect(read([0, 1, 2, 3, 4], 400, 8, corpus).targets).toEqual(targets);
  });

  it('shows evenly spaced documents where all would get too short', () => {
    const { targets, numTokens } = read(Array.from({ length: 100 }, (_, i) => i % 50), 640, 8, corpusOf(Array.from({ length: 50 }, () => 200)));
    expect(numTokens).toBe(640);
    expect([...new Set(targets.map(({ document }) => document))]).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
  });

  it('counts the bytes of a part from its tokens', () => {
    const corpus = new Corpus(nanoTokenizer);
    const text = 'Größe — a naïve café, 日本語 and 👍 on the hill.';
    const tokens = nanoTokenizer.encode(text);
    corpus.append({ path: 'a', part: 0, bytes: Buffer.byteLength(text), hash: new Uint8Array(HASH_BYTES) }, tokens);
    for (let n = 0; n <= tokens.length; n++) {
      const bytes = [...tokens.subarray(0, n)].reduce((sum, id) => sum + (nanoTokenizer.tokenBytes(id)?.length ?? NaN), 0);
      expect(corpus.bytesOfFirst(0, n)).toBe(bytes);
    }
    expect(corpus.bytesOfFirst(0, tokens.length)).toBe(Buffer.byteLength(text));
  });

  it('has no windows for no documents', () => {
    expect(read([], Infinity)).toMatchObject({ numDocuments: 0, numTokens: 0, numBytes: 0, windows: 0 });
  });
});
