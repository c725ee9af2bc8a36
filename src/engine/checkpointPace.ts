// When to put down what a run is at: soon enough that a closed tab costs seconds, seldom enough that large models do not spend their time on it.

/** Milliseconds between two checkpoints at least. */
const SHORTEST_PAUSE = 5_000;
/** A checkpoint that takes long makes the next one wait this many times as long: so they take at most a twentieth of the time. */
const PAUSE_PER_DURATION = 20;

export class CheckpointPace {
  private due: number;

  /** @param now milliseconds of a clock that never goes back */
  constructor(private readonly now: () => number = () => performance.now()) {
    this.due = this.now() + SHORTEST_PAUSE;
  }

  get isDue(): boolean {
    return this.now() >= this.due;
  }

  /** Runs `checkpoint` and sets the time of the next one. */
  async take(checkpoint: () => Promise<void>): Promise<void> {
    const started = this.now();
    await checkpoint();
    const ended = this.now();
    this.due = ended + Math.max(SHORTEST_PAUSE, PAUSE_PER_DURATION * (ended - started));
  }
}
