// Memory in words: what an offer changes, and what an estimate says.
import { memoryChange, type MemorySettings } from '../../config/runConfig.ts';
import { formatBytes } from '../../core/format.ts';
import type { MemoryOffer } from '../../protocol/events.ts';
import type { MemoryEstimate } from '../../stores/memoryStore.ts';

/** Of the button that accepts an offer. */
export function offerLabel({ instead, settings }: MemoryOffer): string {
  if (settings.batchSize === instead.batchSize) return 'Recompute activations (slower, same result)';
  return `Use ${memoryChange(instead, settings)}`;
}

/** One sentence; settings are named where they are not the plain ones. */
export function estimateSentence(of: 'run' | 'race', { bytes, problem }: MemoryEstimate, { batchSize, gradientAccumulation, recomputeActivations }: MemorySettings): string {
  if (bytes === undefined) return problem ?? '';
  const ways = [
    ...(gradientAccumulation > 1 ? [`batches of ${batchSize}, ${gradientAccumulation} per step`] : []),
    ...(recomputeActivations ? ['activations recomputed'] : []),
  ];
  return `About ${formatBytes(bytes)} of GPU memory${of === 'race' ? ' for the chosen methods together' : ''}${ways.length > 0 ? `, with ${ways.join(' and ')}` : ''}.`;
}
