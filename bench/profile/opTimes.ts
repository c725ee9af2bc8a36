// What each operation of a plan takes on the GPU: every dispatch in a compute pass of its own between two timestamps of the GPU's clock, in the plan's order, so that
// caches and data are as in a real step.
import { BufferScope } from '../../src/gpu/buffers.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { encodeOps, type Op } from '../../src/gpu/dispatch.ts';
import { Readback } from '../../src/gpu/readback.ts';

const RESOLVE_USAGE = 0x200 | 0x04; // QUERY_RESOLVE | COPY_SRC
const MAX_QUERIES = 4096;

/** Milliseconds of each dispatch of `ops` (0 for clears and copies), the least of `repeats` runs: whatever else the machine does only adds. @throws without timestamp queries */
export async function opTimes(gpu: Gpu, ops: readonly Op[], repeats: number): Promise<number[]> {
  if (!gpu.device.features.has('timestamp-query')) throw new Error('This adapter has no timestamp queries.');
  const dispatches = ops.flatMap((op, index) => (op.kind === 'dispatch' ? [index] : []));
  if (2 * dispatches.length > MAX_QUERIES) throw new Error(`${dispatches.length} dispatches are too many for one query set`);
  const set = gpu.device.createQuerySet({ label: 'profile', type: 'timestamp', count: 2 * dispatches.length });
  const bytes = 16 * dispatches.length;
  const scope = new BufferScope(gpu.buffers, 'profile');
  const resolved = scope.buffer('timestamps', bytes, RESOLVE_USAGE);
  const readback = new Readback(gpu, 'profile', bytes);
  const least = new Array<number>(ops.length).fill(0);
  for (const index of dispatches) least[index] = Infinity;
  try {
    for (let repeat = 0; repeat < repeats; repeat++) {
      const encoder = gpu.device.createCommandEncoder({ label: 'profile' });
      let query = 0;
      for (const op of ops) {
        if (op.kind !== 'dispatch') encodeOps(encoder, [op]);
        else encodeOps(encoder, [op], { querySet: set, beginningOfPassWriteIndex: query++, endOfPassWriteIndex: query++ });
      }
      encoder.resolveQuerySet(set, 0, query, resolved, 0);
      gpu.device.queue.submit([encoder.finish()]);
      const times = new BigUint64Array(await readback.read({ buffer: resolved, offset: 0, size: bytes }));
      for (const [i, index] of dispatches.entries()) least[index] = Math.min(least[index], Number(times[2 * i + 1] - times[2 * i]) / 1e6);
    }
    return least;
  } finally {
    set.destroy();
    readback.destroy();
    scope.destroy();
  }
}

/** Sum of milliseconds per kernel, the largest first. */
export function byKernel(ops: readonly Op[], times: readonly number[]): { readonly kernel: string; readonly dispatches: number; readonly milliseconds: number }[] {
  const sums = new Map<string, { dispatches: number; milliseconds: number }>();
  for (const [index, { kind, label }] of ops.entries()) {
    if (kind !== 'dispatch') continue;
    const sum = sums.get(label) ?? { dispatches: 0, milliseconds: 0 };
    sums.set(label, { dispatches: sum.dispatches + 1, milliseconds: sum.milliseconds + times[index] });
  }
  return [...sums].map(([kernel, sum]) => ({ kernel, ...sum })).sort((a, b) => b.milliseconds - a.milliseconds);
}
