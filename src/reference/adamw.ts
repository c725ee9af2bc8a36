// CPU twin of the AdamW step (Loshchilov and Hutter, https://arxiv.org/abs/1711.05101), in the order PyTorch does it: decay the
// weights first, then subtract the bias-corrected step; epsilon is added after the root.

/** One tensor and its optimizer state, all [size] and updated in place (gradients are only read). */
export interface AdamwState {
  readonly weights: Float64Array;
  readonly gradients: Float64Array;
  readonly m: Float64Array;
  readonly v: Float64Array;
}

export interface AdamwOptions {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled; 0 for norms. */
  readonly weightDecay: number;
  /** The first step is 1. */
  readonly step: number;
  /** Factor on every gradient before it is used: gradient clipping, accumulation. */
  readonly gradientScale: number;
}

/** Takes one step on one tensor, in place. */
export function adamwStep({ weights, gradients, m, v }: AdamwState, options: AdamwOptions): void {
  const { learningRate, beta1, beta2, epsilon, weightDecay, step, gradientScale } = options;
  const correction1 = 1 - beta1 ** step;
  const correction2 = 1 - beta2 ** step;
  for (let i = 0; i < weights.length; i++) {
    const gradient = gradients[i] * gradientScale;
    m[i] = beta1 * m[i] + (1 - beta1) * gradient;
    v[i] = beta2 * v[i] + (1 - beta2) * gradient * gradient;
    const decayed = weights[i] * (1 - learningRate * weightDecay);
    weights[i] = decayed - (learningRate * (m[i] / correction1)) / (Math.sqrt(v[i] / correction2) + epsilon);
  }
}
