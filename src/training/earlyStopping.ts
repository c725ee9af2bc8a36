// Early stopping on validation loss (Prechelt 1998). NaN never counts as an improvement.

export interface EarlyStoppingState {
  readonly bestLoss: number;
  readonly bestStep: number;
  /** Evaluations since the best one. */
  readonly sinceBest: number;
}

export class EarlyStopping {
  bestLoss = Infinity;
  bestStep = 0;
  private sinceBest = 0;

  /** `patience`: evaluations without improvement that end the run; 0 never ends it. */
  constructor(private readonly patience: number) {}

  /** Records an evaluation; true when it is the best so far. */
  record(step: number, loss: number): boolean {
    if (loss < this.bestLoss) {
      this.bestLoss = loss;
      this.bestStep = step;
      this.sinceBest = 0;
      return true;
    }
    this.sinceBest++;
    return false;
  }

  /** Where it stands, for a checkpoint; Infinity before the first evaluation. */
  get state(): EarlyStoppingState {
    return { bestLoss: this.bestLoss, bestStep: this.bestStep, sinceBest: this.sinceBest };
  }

  restore({ bestLoss, bestStep, sinceBest }: EarlyStoppingState): void {
    this.bestLoss = bestLoss;
    this.bestStep = bestStep;
    this.sinceBest = sinceBest;
  }

  get shouldStop(): boolean {
    return this.patience > 0 && this.sinceBest >= this.patience;
  }
}
