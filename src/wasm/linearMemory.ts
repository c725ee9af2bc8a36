// Ranges of one WebAssembly memory, given out and taken back. It grows as it must and never shrinks (WebAssembly has no way to).
import { roundUp } from '../core/tensor.ts';

const PAGE_BYTES = 65_536;
/** Of ranges; what WebGPU asks of bindings. */
const ALIGNMENT = 256;
/** Kernels may read (and not use) a few floats past a range. */
const SLACK_BYTES = 256;
/** Growing is not free, so it is done in steps. */
const GROWTH_BYTES = 8 * 2 ** 20;
/** The address space of WebAssembly, less a page, so that every size and end fits 32 bits. */
const MOST_PAGES = 65_535;

interface Range {
  readonly start: number;
  readonly end: number;
}

/** A memory as large as the browser allows, with nothing in it yet. Browsers reserve addresses for all that shared memory may become, and some refuse to reserve 4 GB. */
export function createMemory(shared: boolean): { readonly memory: WebAssembly.Memory; readonly maxBytes: number } {
  for (let pages = MOST_PAGES; ; pages = Math.floor(pages / 2)) {
    try {
      return { memory: new WebAssembly.Memory({ initial: 16, maximum: pages, shared }), maxBytes: pages * PAGE_BYTES };
    } catch (error) {
      if (pages < 4096) throw error;
    }
  }
}

export class LinearMemory {
  /** Free ranges below `top`, in order, none touching another. */
  private free: Range[] = [];
  private top: number;
  /** Everything from here on has never been written to, so that it is still zero. */
  private untouched: number;

  /** @param start first byte that may be given out */
  constructor(readonly memory: WebAssembly.Memory, start: number, private readonly maxBytes: number) {
    this.top = roundUp(start, ALIGNMENT);
    this.untouched = this.top;
  }

  /** Views stay good while it grows. */
  get isShared(): boolean {
    return !(this.memory.buffer instanceof ArrayBuffer);
  }

  /** The start of `size` bytes of zeros, or undefined when there is no room. */
  allocate(size: number): number | undefined {
    const length = roundUp(Math.max(1, size), ALIGNMENT);
    const start = this.takeFree(length) ?? this.takeNew(length);
    if (start !== undefined && start < this.untouched) this.bytes(start, Math.min(length, this.untouched - start)).fill(0);
    return start;
  }

  /** Takes back what `allocate(size)` gave. `touched`: whether anything but zeros may have been written there. */
  release(start: number, size: number, touched = true): void {
    const end = start + roundUp(Math.max(1, size), ALIGNMENT);
    if (touched) this.touch(end);
    const before = this.free.findLastIndex((range) => range.end <= start);
    this.free.splice(before + 1, 0, { start, end });
    this.joinAt(before + 1);
    this.joinAt(before);
  }

  /** Says that something may have been written up to `end`. */
  touch(end: number): void {
    this.untouched = Math.max(this.untouched, end);
  }

  /** A view for now: growing may leave it behind. */
  bytes(start: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.buffer as ArrayBuffer, start, length);
  }

  private takeFree(length: number): number | undefined {
    const index = this.free.findIndex(({ start, end }) => end - start >= length);
    if (index < 0) return undefined;
    const { start, end } = this.free[index];
    if (end - start === length) this.free.splice(index, 1);
    else this.free[index] = { start: start + length, end };
    return start;
  }

  private takeNew(length: number): number | undefined {
    const start = this.top;
    if (!this.growTo(start + length + SLACK_BYTES)) return undefined;
    this.top = start + length;
    return start;
  }

  private growTo(end: number): boolean {
    const have = this.memory.buffer.byteLength;
    if (end <= have) return true;
    if (end > this.maxBytes) return false;
    for (const target of [Math.min(this.maxBytes, end + GROWTH_BYTES), end]) {
      try {
        this.memory.grow(Math.ceil((target - have) / PAGE_BYTES));
        return true;
      } catch {
        // The machine has no more; perhaps it has the little that is needed.
      }
    }
    return false;
  }

  /** Joins free range `index` with its successor where they touch, or gives it back to the end. */
  private joinAt(index: number): void {
    const [range, next] = [this.free[index], this.free[index + 1]];
    if (!range) return;
    if (next?.start === range.end) {
      this.free.splice(index, 2, { start: range.start, end: next.end });
      return this.joinAt(index);
    }
    if (range.end === this.top) {
      this.top = range.start;
      this.free.splice(index, 1);
    }
  }
}
