// Writing many numbers from the CPU. A browser keeps what queue.writeBuffer was given until the GPU has taken it, so a large model handed over at once would lie in memory twice:
// it goes in pieces, of which a bounded number is on its way.
import type { BufferView } from './buffers.ts';
import type { Gpu } from './device.ts';
import { pieceBytes } from './limits.ts';

/** On their way at most. */
const MAX_PIECES_UNDER_WAY = 4;

/**
 * Writes `values` into `views`, one after the other; together they hold as many floats. Until the promise resolves `values` must stay as they are, and nothing that reads or writes
 * the views may be submitted.
 * @throws Error when the device is lost
 */
export async function writeFloats(gpu: Gpu, views: readonly BufferView[], values: Float32Array): Promise<void> {
  const { queue, limits } = gpu.device;
  const most = pieceBytes(limits);
  let first = 0;
  let underWay = 0;
  for (const { buffer, offset, size } of views) {
    for (let done = 0; done < size; done += most) {
      if (underWay >= MAX_PIECES_UNDER_WAY) {
        await queue.onSubmittedWorkDone();
        underWay = 0;
      }
      const bytes = Math.min(most, size - done);
      queue.writeBuffer(buffer, offset + done, values as Float32Array<ArrayBuffer>, first, bytes / 4);
      first += bytes / 4;
      underWay++;
    }
  }
}
