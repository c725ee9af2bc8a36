// Slices of T on their way from the file: run by run, one run read ahead of whoever takes them, through memory that is used again and again. So a network far larger than memory streams
// at the disk's speed, and the garbage is what the browser's own reading leaves.
import { dequantizeRows } from '../formats/quantized.ts';
import type { TensorFile } from '../formats/tensorFile.ts';
import { bytesOfSlice, storedBytesOfSlice, type LoadedMatrix, type SliceRun } from './projectorPlan.ts';

export interface ReadRun {
  readonly run: SliceRun<LoadedMatrix>;
  /** What the GPU gets: the slices in the matrix's dtype, padded to a whole word. Valid until the run after the next is asked for. */
  readonly words: Uint32Array<ArrayBuffer>;
  /** Bytes read from the file for it. */
  readonly storedBytes: number;
}

/** A run under way, and where it goes. Two of them take turns. */
interface Lane {
  /** As the GPU gets it. */
  memory: ArrayBuffer;
  /** As the file has it, where that is something else: slices in 8 bits. */
  stored: ArrayBuffer;
}

export class SliceReader {
  private readonly lanes: readonly Lane[] = Array.from({ length: 2 }, () => ({ memory: new ArrayBuffer(0), stored: new ArrayBuffer(0) }));

  constructor(private readonly file: TensorFile) {}

  /** One reading at a time. @throws UserError when the file can no longer be read; the signal's reason */
  async *read(runs: readonly SliceRun<LoadedMatrix>[], signal?: AbortSignal): AsyncGenerator<ReadRun> {
    const begin = (index: number): Promise<ReadRun> | undefined => (index < runs.length ? this.readRun(runs[index], this.lanes[index % 2]) : undefined);
    let next = begin(0);
    try {
      for (let index = 0; next; index++) {
        signal?.throwIfAborted();
        const ready = await next;
        next = begin(index + 1);
        // Its failure counts when its turn comes; till then it is no unhandled rejection.
        next?.catch(() => {});
        yield ready;
      }
    } finally {
      // What still writes into the memory must have ended before the next reading begins.
      await next?.catch(() => {});
    }
  }

  private async readRun(run: SliceRun<LoadedMatrix>, lane: Lane): Promise<ReadRun> {
    const { matrix, firstSlice, numSlices } = run;
    const stored = storedBytesOfSlice(matrix);
    const storedBytes = numSlices * stored;
    const bytes = numSlices * bytesOfSlice(matrix);
    const wordBytes = Math.ceil(bytes / 4) * 4;
    if (lane.memory.byteLength < wordBytes) lane.memory = new ArrayBuffer(wordBytes);
    if (matrix.scales) {
      if (lane.stored.byteLength < storedBytes) lane.stored = new ArrayBuffer(storedBytes);
      await this.file.readInto(matrix.sliceTensor, firstSlice * stored, new Uint8Array(lane.stored, 0, storedBytes));
      const scales = matrix.scales.subarray(firstSlice * matrix.out, (firstSlice + numSlices) * matrix.out);
      dequantizeRows(new Int8Array(lane.stored, 0, storedBytes), scales, new Float32Array(lane.memory, 0, bytes / 4));
    } else {
      await this.file.readInto(matrix.sliceTensor, firstSlice * stored, new Uint8Array(lane.memory, 0, bytes));
    }
    return { run, words: new Uint32Array(lane.memory, 0, wordBytes / 4), storedBytes };
  }
}
