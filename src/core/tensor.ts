// Named tensors on the CPU. Row-major; a linear layer's weight is [out, in], as in Hugging Face checkpoints.

/** A float32 tensor in CPU memory: `data.length` is the product of `shape`. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Tensor name (Llama naming) to float32 values. */
export type HostTensors = ReadonlyMap<string, HostTensor>;

export function numElements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function ceilDivide(dividend: number, divisor: number): number {
  return Math.floor((dividend + divisor - 1) / divisor);
}

/** Smallest multiple of `multiple` that is at least `value`. */
export function roundUp(value: number, multiple: number): number {
  return ceilDivide(value, multiple) * multiple;
}
