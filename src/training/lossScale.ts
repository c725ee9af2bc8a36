// The factor on the loss of training in halves (Micikevicius et al., https://arxiv.org/abs/1710.03740), so that small gradients do not round to nothing: as large as gradients
// bear. Powers of two, which go in and out of a float without an error. A step whose gradients overflow is skipped on the GPU, and told here afterwards.

/** Good steps in a row after which twice the scale is tried. */
const GROWTH_STEPS = 1000;
const MOST = 2 ** 24;
/** Gradients of the mean loss as they are: what overflows even so does not overflow for the scale. */
const LEAST = 1;

export interface LossScaleState {
  readonly scale: number;
  /** In a row, with this scale. */
  readonly goodSteps: number;
}

export class LossScale {
  private scale: number | undefined;
  private goodSteps = 0;

  /** Absent before the first step. */
  get state(): LossScaleState | undefined {
    return this.scale === undefined ? undefined : { scale: this.scale, goodSteps: this.goodSteps };
  }

  restore({ scale, goodSteps }: LossScaleState): void {
    this.scale = scale;
    this.goodSteps = goodSteps;
  }

  /** The scale of a step of so many targets. The first one's makes the gradient of each target's own loss about 1, the middle of what a half holds. */
  forStep(numTargets: number): number {
    this.scale ??= 2 ** Math.floor(Math.log2(Math.min(Math.max(numTargets, LEAST), MOST)));
    return this.scale;
  }

  /** A step with `scale` had finite gradients. */
  succeeded(scale: number): void {
    if (scale !== this.scale) return;
    this.goodSteps++;
    if (this.goodSteps < GROWTH_STEPS || scale >= MOST) return;
    this.scale = 2 * scale;
    this.goodSteps = 0;
  }

  /** A step with `scale` overflowed and was skipped; one submitted before that was known may follow, with the same. @returns whether a smaller one is left to go on with */
  overflowed(scale: number): boolean {
    if (scale <= LEAST) return false;
    this.scale = Math.min(this.scale ?? scale, scale / 2);
    this.goodSteps = 0;
    return true;
  }
}
