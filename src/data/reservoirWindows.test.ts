import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import type { Reservoir } from '../config/reservoir.ts';
import { createRandom, shuffle } from '../core/random.ts';
import { MAX_COUNTED_REPEATS, reservoirWindowCounts, ReservoirWindows } from './reservoirWindows.ts';

const SEQ_LEN = 8;
const TOKENS_PER_CLUSTER = 4000;

/** Token `place` of cluster c is c * 4000 + place, so every token tells its cluster and place; held-out tokens are 65000 and above. */
function reservoirOf(trainTokens: readonly number[]): Reservoir {
  const clusters = trainTokens.map((length, c) => ({
    train: Uint16Array.from({ length }, (_, place) => c * TOKENS_PER_CLUSTER + place),
    heldOut: Uint16Array.from({ length: 20 }, (_, place) => 65_000 + place),
  }));
  return { clusters, numTokens: trainTokens.reduce((sum, length) => sum + length + 20, 0) };
}

interface Drawn { cluster: number; window: number; tokens: number[]; targets: number[] }

function draw(windows: ReservoirWindows, count: number, batchSize = 1): Drawn[] {
  const tokens = new Uint32Array(batchSize * SEQ_LEN);
  const targets = new Uint32Array(batchSize * SEQ_LEN);
  return Array.from({ length: count / batchSize }, () => {
    windows.next(batchSize, tokens, targets);
    return Array.from({ length: batchSize }, (_, row) => {
      const of = (values: Uint32Array): number[] => [...values.subarray(row * SEQ_LEN, (row + 1) * SEQ_LEN)];
      const [first] = of(tokens);
      return { cluster: Math.floor(first / TOKENS_PER_CLUSTER), window: Math.ceil((first % TOKENS_PER_CLUSTER) / SEQ_LEN), tokens: of(tokens), targets: of(targets) };
    });
  }).flat();
}

const countsOf = (drawn: readonly Drawn[], k: number): number[] => {
  const counts = new Array<number>(k).fill(0);
  for (const { cluster } of drawn) counts[cluster]++;
  return counts;
};

/** Pearson's statistic; infinite when something was drawn that was not wanted at all. */
function chiSquare(counts: readonly number[], shares: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.reduce((sum, count, c) => {
    const expected = total * shares[c];
    return sum + (expected === 0 ? (count === 0 ? 0 : Infinity) : (count - expected) ** 2 / expected);
  }, 0);
}

/** The value that chi-square with 14 degrees of freedom exceeds with probability 0.001 (NIST/SEMATECH e-Handbook, 1.3.6.7.4). */
const CRITICAL_14 = 36.123;

/** A domain spread over 15 of 16 clusters, very unevenly, and a reservoir with as many tokens of each, as the trainer packs it. */
const K = 16;
const wanted16 = (() => {
  const raw = Array.from({ length: K }, (_, c) => (c === 5 ? 0 : 0.75 ** c));
  const total = raw.reduce((a, b) => a + b);
  return shuffle(raw.map((share) => share / total), createRandom(3));
})();
const even16 = reservoirOf(new Array<number>(K).fill(1601));

describe('the drawn histogram', () => {
  it.each([1, 2, 3, 4, 5])('equals the wanted one within sampling error (chi-square, p > 0.001), seed %d', (seed) => {
    const counts = countsOf(draw(new ReservoirWindows(even16, wanted16, { seqLen: SEQ_LEN, seed }), 20_000), K);
    expect(chiSquare(counts, wanted16)).toBeLessThan(CRITICAL_14);
  });

  it('would be told apart from the reservoir\'s own and from one that is a little wrong', () => {
    const windows = new ReservoirWindows(even16, wanted16, { seqLen: SEQ_LEN, seed: 1 });
    const counts = countsOf(draw(windows, 20_000), K);
    expect(chiSquare(counts, windows.report().before)).toBeGreaterThan(100 * CRITICAL_14);
    // A share of 0.02 moved from the largest cluster to the smallest wanted one.
    const wrong = [...wanted16];
    wrong[wanted16.indexOf(Math.max(...wanted16))] -= 0.02;
    wrong[wanted16.indexOf(Math.min(...wanted16.filter((share) => share > 0)))] += 0.02;
    expect(chiSquare(counts, wrong)).toBeGreaterThan(2 * CRITICAL_14);
    const drawnFromWrong = countsOf(draw(new ReservoirWindows(even16, wrong, { seqLen: SEQ_LEN, seed: 1 }), 20_000), K);
    expect(chiSquare(drawnFromWrong, wanted16)).toBeGreaterThan(2 * CRITICAL_14);
  });

  it('does not depend on how much of each cluster the reservoir has', () => {
    const uneven = reservoirOf(Array.from({ length: K }, (_, c) => 20 + 230 * c));
    const counts = countsOf(draw(new ReservoirWindows(uneven, wanted16, { seqLen: SEQ_LEN, seed: 9 }), 20_000), K);
    expect(chiSquare(counts, wanted16)).toBeLessThan(CRITICAL_14);
  });

  it('is reported as it is: before, wanted, drawn', () => {
    const reservoir = reservoirOf([81, 241, 0, 41]);
    const windows = new ReservoirWindows(reservoir, [0.5, 0, 0, 0.5], { seqLen: SEQ_LEN, seed: 2 });
    expect(windows.report()).toMatchObject({ windows: 0, before: [10 / 45, 30 / 45, 0, 5 / 45], wanted: [0.5, 0, 0, 0.5], drawn: [0, 0, 0, 0] });
    const counts = countsOf(draw(windows, 300), 4);
    expect(counts[0] + counts[3]).toBe(300);
    expect(windows.report()).toMatchObject({ windows: 300, drawnWindows: counts, drawn: counts.map((count) => count / 300) });
  });
});

describe('the windows of a cluster', () => {
  const reservoir = reservoirOf([45, 100, 0, 9, 8]);
  const wanted = [0.2, 0.7, 0, 0.1, 0];

  it('are counted: one for every context of targets begun, none of a text that is too short', () => {
    expect(reservoirWindowCounts(reservoir, SEQ_LEN)).toEqual([6, 13, 0, 1, 0]);
    expect(reservoirWindowCounts(reservoir, 44)).toEqual([1, 3, 0, 0, 0]);
    expect(reservoirWindowCounts(reservoir, 100)).toEqual([0, 0, 0, 0, 0]);
  });

  it('are each drawn once before any is drawn again, then in another order', () => {
    const drawn = draw(new ReservoirWindows(reservoir, wanted, { seqLen: SEQ_LEN, seed: 4 }), 600);
    [6, 13, 0, 1, 0].forEach((count, c) => {
      const order = drawn.filter(({ cluster }) => cluster === c).map(({ window }) => window);
      expect(order.length > 0).toBe(wanted[c] > 0);
      for (let start = 0; start + count <= order.length && count > 0; start += count) {
        expect(order.slice(start, start + count).toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, window) => window));
      }
      if (count === 13) expect(order.slice(13, 26)).not.toEqual(order.slice(0, 13));
    });
  });

  it('hold the cluster\'s training text and the token after each, the last one reaching back', () => {
    const drawn = draw(new ReservoirWindows(reservoir, wanted, { seqLen: SEQ_LEN, seed: 4 }), 600);
    const targetsSeen = new Set<number>();
    for (const { cluster, tokens, targets } of drawn) {
      tokens.forEach((token, t) => expect(token).toBe(tokens[0] + t));
      targets.forEach((target, t) => expect(target).toBe(tokens[t] + 1));
      expect(Math.floor(targets[SEQ_LEN - 1] / TOKENS_PER_CLUSTER)).toBe(cluster);
      for (const target of targets) targetsSeen.add(target);
    }
    // Every token but the first of each of the three clusters.
    expect(targetsSeen.size).toBe(44 + 99 + 8);
  });

  it('repeat as the report says', () => {
    const windows = new ReservoirWindows(reservoir, wanted, { seqLen: SEQ_LEN, seed: 4 });
    for (const count of [1, 4, 60, 500]) {
      const times = new Map<string, number>();
      const fresh = new ReservoirWindows(reservoir, wanted, { seqLen: SEQ_LEN, seed: 4 });
      for (const { cluster, window } of draw(fresh, count)) times.set(`${cluster} ${window}`, (times.get(`${cluster} ${window}`) ?? 0) + 1);
      windows.seek(count);
      const { repeats, clusterRepeats, repeatCounts } = windows.report();
      expect(fresh.report()).toEqual(windows.report());
      expect(repeats).toEqual({ windows: 20, seen: times.size, mean: count / times.size, maximum: Math.max(...times.values()) });
      [6, 13, 0, 1, 0].forEach((inCluster, c) => {
        const ofCluster = [...times].filter(([key]) => key.startsWith(`${c} `)).map(([, n]) => n);
        const drawn = ofCluster.reduce((a, b) => a + b, 0);
        expect(clusterRepeats[c]).toEqual({ windows: inCluster, seen: ofCluster.length, mean: ofCluster.length ? drawn / ofCluster.length : 0, maximum: Math.max(0, ...ofCluster) });
      });
      const expected = new Array<number>(Math.max(...times.values()) + 1).fill(0);
      expected[0] = 20 - times.size;
      for (const n of times.values()) expected[n]++;
      expect(repeatCounts).toEqual(expected);
    }
  });

  it('drawn very often share the last entry of the counts', () => {
    const windows = new ReservoirWindows(reservoirOf([9, 17]), [0.5, 0.5], { seqLen: SEQ_LEN, seed: 1 });
    windows.seek(6000);
    const { repeatCounts, repeats } = windows.report();
    expect(repeatCounts).toHaveLength(MAX_COUNTED_REPEATS + 1);
    expect(repeatCounts.at(-1)).toBe(3);
    expect(repeats.maximum).toBeGreaterThan(2500);
  });
});

describe('ReservoirWindows', () => {
  const settings = { seqLen: SEQ_LEN, seed: 6 };
  const create = (): ReservoirWindows => new ReservoirWindows(even16, wanted16, settings);

  it('repeats from its seed, whatever the batch size, and differs for another', () => {
    const run = draw(create(), 1200);
    expect(draw(create(), 1200, 4)).toEqual(run);
    expect(draw(new ReservoirWindows(even16, wanted16, { ...settings, seed: 7 }), 1200)).not.toEqual(run);
  });

  it('continues after seek as it would have, forwards and backwards', () => {
    const run = draw(create(), 4000);
    const windows = create();
    for (const place of [0, 1, 3500, 777, 200, 201, 0]) {
      windows.seek(place);
      expect(windows.windowsConsumed).toBe(place);
      expect(draw(windows, 400)).toEqual(run.slice(place, place + 400));
      expect(windows.windowsConsumed).toBe(place + 400);
    }
  });

  it('finds a far place quickly', () => {
    const started = performance.now();
    create().seek(1_000_000);
    // A tenth of a second here; the bound only catches a cost that grows faster than the number of windows.
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('refuses a histogram that wants what is not there, or is none', () => {
    const reservoir = reservoirOf([100, 5]);
    for (const wanted of [[0.5, 0.5], [0.5, 0], [1.5, -0.5], [NaN, 0], [1]]) {
      expect(() => new ReservoirWindows(reservoir, wanted, settings)).toThrow('Invariant');
    }
  });

  it('refuses a batch that does not fit its arrays', () => {
    expect(() => create().next(2, new Uint32Array(16), new Uint32Array(15))).toThrow('Invariant');
  });

  it('allocates nothing in next()', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const tokens = new Uint32Array(4 * SEQ_LEN);
    const targets = new Uint32Array(4 * SEQ_LEN);
    const BATCHES = 20_000;
    const grownBy = (batch: () => void): number => {
      for (let i = 0; i < BATCHES; i++) batch();
      collect();
      const before = process.memoryUsage().heapUsed;
      for (let i = 0; i < BATCHES; i++) batch();
      return Math.abs(process.memoryUsage().heapUsed - before) / BATCHES;
    };
    const windows = create();
    // The smallest object takes 16 bytes or more, and the control shows that one per batch is seen.
    let kept: { row: number } | undefined;
    expect(grownBy(() => { windows.next(4, tokens, targets); kept = { row: tokens[0] }; })).toBeGreaterThan(12);
    expect(kept).toBeDefined();
    expect(grownBy(() => windows.next(4, tokens, targets))).toBeLessThan(4);
  });
});
