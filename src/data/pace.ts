// Long work in a worker must leave room for messages (a cancel) to come in: every loop over data calls `breathe`.

/** Work between two breaths, in milliseconds: short against a click, long against the 4 ms a browser adds to nested timers. */
const WORK_MILLISECONDS = 60;

export class Pace {
  private lastBreath = performance.now();

  constructor(private readonly signal?: AbortSignal) {}

  /** @throws DOMException AbortError once the signal is aborted */
  check(): void {
    if (this.signal?.aborted) throw new DOMException('Reading the data was cancelled.', 'AbortError');
  }

  /** True when `breathe` would wait: asked first in tight loops, where awaiting every time would cost more than the work. */
  get isDue(): boolean {
    return performance.now() - this.lastBreath >= WORK_MILLISECONDS;
  }

  /** Lets the event loop run when it is time. @throws DOMException AbortError once the signal is aborted */
  async breathe(): Promise<void> {
    if (this.isDue) {
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
      this.lastBreath = performance.now();
    }
    this.check();
  }
}

/** Whether `error` is the cancellation of our caller rather than a failure. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}
