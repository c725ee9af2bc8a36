// The numbers that change from step to step (loss scale, learning rate, Adam's bias correction, ...) as one small buffer, written once per step and
// bound by every kernel that needs one of them. One list gives the order for the CPU side and the WGSL struct alike.

/** Index of each number in the buffer, in 4-byte floats. */
export const STEP_SCALARS = {
  /** Factor on every row's loss gradient: gradientScale / (target tokens of the whole accumulated batch). */
  lossScale: 0,
  clipNorm: 1,
  learningRate: 2,
  beta1: 3,
  beta2: 4,
  epsilon: 5,
  weightDecay: 6,
  /** 1 - beta1^t and 1 - beta2^t at step t = 1, 2, ... */
  biasCorrection1: 7,
  biasCorrection2: 8,
  /** 1 - beta, subtracted in float64: 1 - f32(0.999) is off by 1e-5 relative. */
  oneMinusBeta1: 9,
  oneMinusBeta2: 10,
  /** 1 / gradientScale. */
  inverseGradientScale: 11,
} as const;

/** Floats in the buffer (64 bytes; the rest is unused). */
export const NUM_STEP_SCALARS = 16;

export interface StepScalarValues {
  readonly lossScale: number;
  /** Global gradient norm is scaled down to this; a huge value (3e38) switches clipping off. */
  readonly clipNorm: number;
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** Optimizer steps counted from 1. */
  readonly step: number;
  /** What lossScale multiplies all gradients by on top of the mean, a power of two, so that it is taken out again without an error; 1 unless given. */
  readonly gradientScale?: number;
}

/** The buffer's content for one step, written into `packed` [NUM_STEP_SCALARS]; number by number, because a training step allocates nothing. */
export function packStepScalars(values: StepScalarValues, packed: Float32Array<ArrayBuffer> = new Float32Array(NUM_STEP_SCALARS)): Float32Array<ArrayBuffer> {
  const { beta1, beta2, step, gradientScale = 1 } = values;
  packed[STEP_SCALARS.lossScale] = values.lossScale;
  packed[STEP_SCALARS.clipNorm] = values.clipNorm;
  packed[STEP_SCALARS.learningRate] = values.learningRate;
  packed[STEP_SCALARS.beta1] = beta1;
  packed[STEP_SCALARS.beta2] = beta2;
  packed[STEP_SCALARS.epsilon] = values.epsilon;
  packed[STEP_SCALARS.weightDecay] = values.weightDecay;
  packed[STEP_SCALARS.biasCorrection1] = 1 - beta1 ** step;
  packed[STEP_SCALARS.biasCorrection2] = 1 - beta2 ** step;
  packed[STEP_SCALARS.oneMinusBeta1] = 1 - beta1;
  packed[STEP_SCALARS.oneMinusBeta2] = 1 - beta2;
  packed[STEP_SCALARS.inverseGradientScale] = 1 / gradientScale;
  return packed;
}

const STEP_SCALAR_NAMES = Object.entries(STEP_SCALARS).sort((a, b) => a[1] - b[1]).map(([name]) => name);

/** Declares `struct StepScalars`; append to a shader that binds the buffer as `var<storage, read> scalars: StepScalars`. */
export const STEP_SCALARS_WGSL = `\nstruct StepScalars {\n${STEP_SCALAR_NAMES.map((name) => `  ${name}: f32,`).join('\n')}\n}\n`;
