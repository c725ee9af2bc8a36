// Which variant of a kernel a device uses for a shape, where a measurement has said so. Kept per device; exported and imported as plain entries, so that an
// adapter measured once need not be measured again.
import type { Gpu } from '../gpu/device.ts';

const choices = new WeakMap<GPUDevice, Map<string, string>>();

/** @param problem kernel and shape in words, such as "gemm NT 512 384 128" */
export function rememberChoice(gpu: Gpu, problem: string, variant: string): void {
  let known = choices.get(gpu.device);
  if (!known) choices.set(gpu.device, (known = new Map()));
  known.set(problem, variant);
}

export const rememberedChoice = (gpu: Gpu, problem: string): string | undefined => choices.get(gpu.device)?.get(problem);

/** All that is known of this device: [problem, variant] pairs. */
export const allChoices = (gpu: Gpu): (readonly [string, string])[] => [...(choices.get(gpu.device) ?? [])];
