// Slices of T on their way from the file: run by run, one run read ahead of whoever takes them, through memory that is used again and again. So a network far larger than memory streams
// at the disk's speed, and the garbage is what the browser's own reading leaves. Where the device computes in the processor's memory, slices are read to where it wants them.
import { dequantizeRows } from '../formats/quantized.ts';
import type { TensorFile } from '../formats/tensorFile.ts';
import { NUM_LANES, bytesOfSlice, storedBytesOfSlice, type LoadedMatrix, type SliceRun } from './projectorPlan.ts';

export interface ReadRun {
  readonly run: SliceRun<LoadedMatrix>;
  /** Which of the two lanes holds it. */
  readonly lane: number;
  /** What the GPU gets: the slices in the matrix's dtype, padded to a whole word. Valid until the run after the next is asked for. */
  readonly words: Uint32Array;
  /** Bytes read from the file for it. */
  readonly storedBytes: number;
}

/** Where every other run goes. */
export interface LaneMemory {
  /** Its first `length` bytes, a multiple of 4; they may move from run to run. */
  bytes(length: number): Uint8Array;
  /** Resolves when what was read into it last is no longer needed. @throws Error when that will never be */
  free(): Promise<void>;
}

/** Memory of JavaScript's, as large as what was asked for; whoever takes a run copies it at once. */
class OwnMemory implements LaneMemory {
  private memory = new ArrayBuffer(0);

  bytes(length: number): Uint8Array<ArrayBuffer> {
    if (this.memory.byteLength < length) this.memory = new ArrayBuffer(length);
    return new Uint8Array(this.memory, 0, length);
  }

  free(): Promise<void> {
    return Promise.resolve();
  }
}

/** A run under way, and where it goes. Two of them take turns. */
interface Lane {
  /** As the GPU gets it. */
  readonly memory: LaneMemory;
  /** As the file has it, where that is something else: slices in 8 bits. */
  readonly stored: OwnMemory;
}

export class SliceReader {
  private readonly lanes: readonly Lane[];

  constructor(private readonly file: TensorFile, memoryOf: (lane: number) => LaneMemory = () => new OwnMemory()) {
    this.lanes = Array.from({ length: NUM_LANES }, (_, lane) => ({ memory: memoryOf(lane), stored: new OwnMemory() }));
  }

  /** One reading at a time. @throws UserError when the file can no longer be read; the signal's reason; Error from the lanes' memory */
  async *read(runs: readonly SliceRun<LoadedMatrix>[], signal?: AbortSignal): AsyncGenerator<ReadRun> {
    const begin = (index: number): Promise<ReadRun> | undefined => (index < runs.length ? this.readRun(runs[index], index % NUM_LANES) : undefined);
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

  private async readRun(run: SliceRun<LoadedMatrix>, lane: number): Promise<ReadRun> {
    const { matrix, firstSlice, numSlices } = run;
    const { memory, stored } = this.lanes[lane];
    const storedEach = storedBytesOfSlice(matrix);
    const storedBytes = numSlices * storedEach;
    const bytes = numSlices * bytesOfSlice(matrix);
    await memory.free();
    const target = memory.bytes(Math.ceil(bytes / 4) * 4);
    if (matrix.scales) {
      const quantized = stored.bytes(storedBytes);
      await this.file.readInto(matrix.sliceTensor, firstSlice * storedEach, quantized);
      const scales = matrix.scales.subarray(firstSlice * matrix.out, (firstSlice + numSlices) * matrix.out);
      dequantizeRows(new Int8Array(quantized.buffer, 0, storedBytes), scales, new Float32Array(target.buffer, target.byteOffset, bytes / 4));
    } else {
      await this.file.readInto(matrix.sliceTensor, firstSlice * storedEach, target.subarray(0, bytes));
    }
    return { run, lane, words: new Uint32Array(target.buffer, target.byteOffset, target.length / 4), storedBytes };
  }
}
