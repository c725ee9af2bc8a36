// Whether kernels may meet at workgroup barriers where there is a way without.
import type { Gpu } from '../gpu/device.ts';

/** Where a processor plays the GPU, barriers cost a hundred times what they save (bench/LOG.md); and workgroup memory, which they guard, can be switched off. */
export const usesBarriers = ({ adapter, without }: Pick<Gpu, 'adapter' | 'without'>): boolean => !adapter.isFallback && !without.has('workgroupMemory');
