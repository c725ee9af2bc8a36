// Shares one GPU among the runs of a race: one step at a time, and whoever has used the least of its budget goes next. So all curves of a race grow
// together whatever a step of each costs, and a run alone never waits.

interface Waiting {
  readonly usedShare: () => number;
  readonly begin: () => void;
}

export class GpuShare {
  private readonly waiting: Waiting[] = [];
  private isTaken = false;

  /**
   * Runs `body` when it is this run's turn.
   * @param usedShare how much of its budget the run has used, from 0; asked when a turn is given, and the first of equals goes first
   */
  async turn<T>(usedShare: () => number, body: () => Promise<T>): Promise<T> {
    if (this.isTaken) await new Promise<void>((begin) => this.waiting.push({ usedShare, begin }));
    this.isTaken = true;
    try {
      return await body();
    } finally {
      await this.pass();
    }
  }

  private async pass(): Promise<void> {
    if (this.waiting.length > 0) {
      // Whoever had this turn may want the next one too, and is as entitled to it as those who wait: let it queue up before choosing.
      void nextTask().then(() => this.giveTurn());
      return;
    }
    this.isTaken = false;
  }

  private giveTurn(): void {
    let next = 0;
    for (let i = 1; i < this.waiting.length; i++) if (this.waiting[i].usedShare() < this.waiting[next].usedShare()) next = i;
    const [chosen] = this.waiting.splice(next, 1);
    chosen.begin();
  }
}

/** Resolves after everything that is ready to run has run. A message, not a timer: timers wait 4 ms, and longer in a hidden tab. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
