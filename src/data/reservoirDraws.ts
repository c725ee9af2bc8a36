// Which windows of a reservoir are drawn, in which order: each window's cluster by chance from the wanted histogram, then the cluster's windows in shuffled order,
// every one of them once before any is drawn again. Knows counts only, no tokens.
import { invariant } from '../core/invariant.ts';
import { createRandom, shuffle, type Random } from '../core/random.ts';

/** How often the windows drawn so far were drawn. */
export interface Repeats {
  /** Windows there are. */
  readonly windows: number;
  /** Windows that were drawn at least once. */
  readonly seen: number;
  /** Mean number of times that a window among those was drawn; 0 when there is none, 1 when none was drawn twice. */
  readonly mean: number;
  /** Times that the most drawn window was drawn. */
  readonly maximum: number;
}

export class ReservoirDraws {
  /** Sums of the shares up to and including each cluster, [k]. */
  private readonly cumulative: Float64Array;
  /** The last cluster with a share: what rounding leaves above the last sum goes there. */
  private readonly lastCluster: number;
  private choice: Random;
  /** Per cluster: its own random numbers, so that its order does not depend on how the clusters take turns, and its windows in the present order. */
  private orderings: Random[];
  private readonly orders: readonly Uint32Array[];
  private readonly counts: Uint32Array;
  private total = 0;
  private drawnCluster = -1;
  private drawnWindow = -1;

  /**
   * @param numWindows windows per cluster [k]
   * @param shares wanted share per cluster [k]; sum to 1, and are 0 where there is no window
   */
  constructor(private readonly numWindows: readonly number[], shares: readonly number[], private readonly seed: number) {
    invariant(shares.length === numWindows.length, 'every cluster has a share');
    invariant(shares.every((share, c) => share >= 0 && (share === 0 || numWindows[c] > 0)), 'only clusters that have windows are drawn from');
    this.cumulative = new Float64Array(shares.length);
    let sum = 0;
    shares.forEach((share, c) => { this.cumulative[c] = sum += share; });
    invariant(Math.abs(sum - 1) <= 1e-6, 'the shares sum to 1');
    this.lastCluster = shares.findLastIndex((share) => share > 0);
    this.orders = numWindows.map((count) => new Uint32Array(count));
    this.counts = new Uint32Array(shares.length);
    this.choice = createRandom(seed);
    this.orderings = [];
    this.rewind();
  }

  /** Windows drawn since the beginning. */
  get windowsDrawn(): number {
    return this.total;
  }

  /** Windows drawn since the beginning, of one cluster. */
  drawnOf(cluster: number): number {
    return this.counts[cluster];
  }

  /** Cluster of the window drawn last; -1 before the first. */
  get cluster(): number {
    return this.drawnCluster;
  }

  /** Index within its cluster of the window drawn last; -1 before the first. */
  get window(): number {
    return this.drawnWindow;
  }

  /** Draws the next window (`cluster` and `window` then tell which), without allocating. */
  draw(): void {
    const cluster = this.choose(this.choice.next());
    const place = this.counts[cluster] % this.numWindows[cluster];
    if (place === 0) shuffle(this.orders[cluster], this.orderings[cluster]);
    this.drawnCluster = cluster;
    this.drawnWindow = this.orders[cluster][place];
    this.counts[cluster]++;
    this.total++;
  }

  /** Goes to where `windowsDrawn` was that number, by drawing anew what lies before. */
  seek(windowsDrawn: number): void {
    if (windowsDrawn < this.total) this.rewind();
    while (this.total < windowsDrawn) this.draw();
  }

  repeatsOf(cluster: number): Repeats {
    return summarize(this.numWindows[cluster], this.timesDrawn(cluster));
  }

  repeats(): Repeats {
    return summarize(this.numWindows.reduce((sum, count) => sum + count, 0), this.numWindows.flatMap((_, cluster) => this.timesDrawn(cluster)));
  }

  /** Entry n: windows that were drawn exactly n times; the last entry, at `most`: so many times or more. */
  histogramOfRepeats(most: number): number[] {
    const histogram: number[] = [];
    for (let cluster = 0; cluster < this.numWindows.length; cluster++) {
      for (const { times, windows } of this.timesDrawn(cluster)) {
        const entry = Math.min(times, most);
        while (histogram.length <= entry) histogram.push(0);
        histogram[entry] += windows;
      }
    }
    return histogram;
  }

  /** A cluster's windows are drawn in turn, so the numbers of times differ by one at most. */
  private timesDrawn(cluster: number): TimesDrawn[] {
    const windows = this.numWindows[cluster];
    if (windows === 0) return [];
    const rounds = Math.floor(this.counts[cluster] / windows);
    const ahead = this.counts[cluster] % windows;
    return [{ times: rounds, windows: windows - ahead }, { times: rounds + 1, windows: ahead }].filter((group) => group.windows > 0);
  }

  private choose(point: number): number {
    for (let cluster = 0; cluster < this.lastCluster; cluster++) if (point < this.cumulative[cluster]) return cluster;
    return this.lastCluster;
  }

  private rewind(): void {
    this.total = 0;
    this.drawnCluster = this.drawnWindow = -1;
    this.counts.fill(0);
    this.choice = createRandom(this.seed);
    // An odd multiplier keeps the clusters' seeds apart from each other and from the choice's.
    this.orderings = this.numWindows.map((_, cluster) => createRandom((this.seed + Math.imul(cluster + 1, 0x9e3779b1)) >>> 0));
    for (const order of this.orders) for (let i = 0; i < order.length; i++) order[i] = i;
  }
}

interface TimesDrawn {
  readonly times: number;
  readonly windows: number;
}

function summarize(windows: number, groups: readonly TimesDrawn[]): Repeats {
  let seen = 0;
  let drawn = 0;
  let maximum = 0;
  for (const group of groups) {
    if (group.times === 0) continue;
    seen += group.windows;
    drawn += group.times * group.windows;
    maximum = Math.max(maximum, group.times);
  }
  return { windows, seen, mean: seen === 0 ? 0 : drawn / seen, maximum };
}
