// Speed of a run as it is shown. Two steps are in flight at once, and their figures may arrive together: the first seems to have taken both steps' time and the second none, so a rate is over several.

const STEPS = 8;

export class StepRate {
  private readonly seconds = new Float64Array(STEPS);
  private steps = 0;

  /** @returns tokens a second over the latest steps, the one that took `seconds` among them */
  next(tokens: number, seconds: number): number {
    this.seconds[this.steps++ % STEPS] = seconds;
    let sum = 0;
    for (let i = 0; i < STEPS; i++) sum += this.seconds[i];
    return (tokens * Math.min(this.steps, STEPS)) / sum;
  }
}
