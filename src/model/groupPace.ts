// How many tokens are made before they are read: as many as take a moment, so that text appears steadily on a slow device and a fast one does not wait for its own answers.

/** Milliseconds that a group is to take. */
const GROUP_MS = 50;
const MOST_TOKENS = 32;

export class GroupPace {
  private size = 1;
  private last: number | undefined;

  /** @param now milliseconds */
  constructor(private readonly now: () => number = () => performance.now()) {}

  nextSize(): number {
    return this.size;
  }

  /** To be told when a group of `count` tokens has arrived. The first tells nothing: the prompt was read before it. */
  arrived(count: number): void {
    const now = this.now();
    const wanted = this.last === undefined ? Infinity : (GROUP_MS * count) / Math.max(1e-3, now - this.last);
    this.last = now;
    // At most doubled: one group says little.
    this.size = Math.max(1, Math.min(MOST_TOKENS, 2 * this.size, Math.round(wanted)));
  }
}
