// Which variant of a kernel a device uses for a shape, where a measurement has said so. Kept per opened adapter; exported and imported as plain entries, so that an
// adapter measured once need not be measured again.
import type { AdapterDescription, Gpu } from '../gpu/device.ts';

/** By the description of the adapter that was opened, which a dry run (gpu/dryRun.ts) shares: so what is planned there is what will run. */
const choices = new WeakMap<AdapterDescription, Map<string, string>>();

/** @param problem kernel and shape in words, such as "gemm NT 512 384 128" */
export function rememberChoice({ adapter }: Gpu, problem: string, variant: string): void {
  let known = choices.get(adapter);
  if (!known) choices.set(adapter, (known = new Map()));
  known.set(problem, variant);
}

export const rememberedChoice = ({ adapter }: Gpu, problem: string): string | undefined => choices.get(adapter)?.get(problem);

/** All that is known of this device: [problem, variant] pairs. */
export const allChoices = ({ adapter }: Gpu): (readonly [string, string])[] => [...(choices.get(adapter) ?? [])];
