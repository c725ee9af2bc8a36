// What an adapter allows of memory, in bytes.

export interface MemoryLimits {
  /** Of one buffer. */
  readonly maxBufferSize: number;
  /** Of the range of a buffer that a kernel sees. */
  readonly maxStorageBufferBindingSize: number;
}

/** What every adapter allows, https://www.w3.org/TR/webgpu/#limits; many allow more. */
export const WEBGPU_DEFAULT_LIMITS: MemoryLimits = { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27 };

const PIECE_BYTES = 16 * 2 ** 20;

/** Bytes that go between CPU and GPU at once: what is larger goes in pieces, so that staging stays small however large a model is. A multiple of 4. */
export const pieceBytes = ({ maxBufferSize }: MemoryLimits): number => Math.min(PIECE_BYTES, maxBufferSize);
