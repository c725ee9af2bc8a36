// Start, pause, single step, resume and stop of a run. The training loop asks before every step; it waits on a promise that the next command
// resolves, never on a timer, so a hidden tab goes on training.

export class RunControl {
  ended = false;
  private paused: boolean;
  private stopping = false;
  private grantedSteps = 0;
  private wake: () => void = () => {};

  constructor(paused: boolean) {
    this.paused = paused;
  }

  get isPaused(): boolean {
    return this.paused;
  }

  pause(): void {
    this.paused = true;
    this.grantedSteps = 0;
  }

  /** Lets one step through; the run stays paused. */
  grantStep(): void {
    this.paused = true;
    this.grantedSteps++;
    this.wake();
  }

  resume(): void {
    this.paused = false;
    this.wake();
  }

  stop(): void {
    this.stopping = true;
    this.wake();
  }

  /** Resolves true when the next step may run, false when the run was asked to stop. */
  async mayStep(): Promise<boolean> {
    while (!this.stopping) {
      if (!this.paused) return true;
      if (this.grantedSteps > 0) {
        this.grantedSteps--;
        return true;
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    return false;
  }
}
