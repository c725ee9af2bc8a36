// Times dispatches on the GPU's own clock where the device has timestamp queries, else on the wall around the submission.
import { BufferScope, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { encodeOps, type DispatchOp } from '../gpu/dispatch.ts';
import { Readback } from '../gpu/readback.ts';

const RESOLVE_USAGE = 0x200 | 0x04; // QUERY_RESOLVE | COPY_SRC
const TIMESTAMPS_BYTES = 16;

/** One timing repeats its round until about this long: clocks in browsers tick in steps of up to 0.1 ms. */
const TIMING_MS = 6;
const MAX_REPEATS = 200;

/** How often to repeat a round that took so long alone. */
export const repeatsFor = (milliseconds: number): number => Math.min(MAX_REPEATS, Math.ceil(TIMING_MS / Math.max(milliseconds, 1e-3)));

export class OpTimer {
  private readonly queries?: { readonly set: GPUQuerySet; readonly resolved: BufferView; readonly readback: Readback };
  private readonly scope: BufferScope;

  constructor(private readonly gpu: Gpu) {
    this.scope = new BufferScope(gpu.buffers, 'opTimer');
    if (!gpu.device.features.has('timestamp-query')) return;
    this.queries = {
      set: gpu.device.createQuerySet({ label: 'opTimer.queries', type: 'timestamp', count: 2 }),
      resolved: { buffer: this.scope.buffer('timestamps', TIMESTAMPS_BYTES, RESOLVE_USAGE), offset: 0, size: TIMESTAMPS_BYTES },
      readback: new Readback(gpu, 'opTimer.readback', TIMESTAMPS_BYTES),
    };
  }

  /** Milliseconds that `repeats` rounds of these dispatches take together, all in one pass. */
  async milliseconds(round: readonly DispatchOp[], repeats: number): Promise<number> {
    const { device } = this.gpu;
    const ops = Array.from({ length: repeats }, () => round).flat();
    const encoder = device.createCommandEncoder({ label: 'opTimer' });
    encodeOps(encoder, ops, this.queries && { querySet: this.queries.set, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 });
    if (this.queries) encoder.resolveQuerySet(this.queries.set, 0, 2, this.queries.resolved.buffer, 0);
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    const wall = performance.now() - start;
    if (!this.queries) return wall;
    const [begin, end] = new BigUint64Array(await this.queries.readback.read(this.queries.resolved));
    const nanoseconds = Number(end - begin);
    // Some drivers give zero, or a clock that was reset between the two.
    return nanoseconds > 0 && nanoseconds / 1e6 <= 2 * wall ? nanoseconds / 1e6 : wall;
  }

  destroy(): void {
    this.queries?.set.destroy();
    this.queries?.readback.destroy();
    this.scope.destroy();
  }
}
