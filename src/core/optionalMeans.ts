// What makes an engine faster where it is offered and can be done without. Each may be switched off, to find out what it is worth or to work around a driver that gets it wrong.

export const OPTIONAL_MEANS = [
  /** WebGPU: invocations that exchange values within a subgroup. */
  'subgroups',
  /** WebGPU: products and the attention of generation sharing what they load in workgroup memory, behind barriers. */
  'workgroupMemory',
  /** WebGPU: choosing kernels by timing them; without it they are chosen by rule. */
  'measuring',
  /** WebGPU: training that stores activations and a copy of the weights as 16-bit floats, where that measured faster. */
  'halfStorage',
  /** WebAssembly: one instruction that multiplies and adds (relaxed SIMD). */
  'fusedProducts',
  /** WebAssembly: more than one thread. */
  'threads',
] as const;

export type OptionalMeans = (typeof OPTIONAL_MEANS)[number];
