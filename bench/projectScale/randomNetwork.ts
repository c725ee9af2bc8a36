// A projected network of the paper's shape with random weights, written as pn.safetensors of a pack: matrices and slices in float16, the rest in float32.
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { numElements } from '../../src/core/tensor.ts';
import { expectedProjectedNetwork } from '../../src/pack/expectedTensors.ts';
import { PAPER_NETWORK, PAPER_SMALL_MODEL } from '../../src/testing/paperModel.ts';

const CHUNK_BYTES = 16 * 2 ** 20;

/** Keeps sign and mantissa of random bits and sets the exponent: magnitudes in [2^-6, 2^-5), none of them NaN. Two halves or one float a word. */
const FIX_EXPONENT = { F16: (bits: number) => (bits & 0x83ff83ff) | 0x24002400, F32: (bits: number) => (bits & 0x807fffff) | 0x3c800000 };

/** Writes the file and returns its size in bytes. */
export function writeRandomNetwork(path: string): number {
  const header: Record<string, unknown> = {};
  const tensors: { readonly dtype: 'F16' | 'F32'; readonly bytes: number }[] = [];
  let position = 0;
  for (const [name, { shape, dtypes }] of expectedProjectedNetwork(PAPER_SMALL_MODEL, PAPER_NETWORK, new Map())) {
    const dtype = dtypes.includes('F16') ? 'F16' : 'F32';
    const bytes = numElements(shape) * (dtype === 'F16' ? 2 : 4);
    header[name] = { dtype, shape, data_offsets: [position, position + bytes] };
    tensors.push({ dtype, bytes });
    position += bytes;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const head = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true);
  head.set(json, 8);
  const file = openSync(path, 'w');
  try {
    writeSync(file, head);
    const words = new Uint32Array(CHUNK_BYTES / 4);
    for (const { dtype, bytes } of tensors) {
      const fix = FIX_EXPONENT[dtype];
      for (let done = 0; done < bytes; done += CHUNK_BYTES) {
        const count = Math.min(CHUNK_BYTES, bytes - done);
        randomFillSync(words, 0, count / 4);
        for (let i = 0; i < count / 4; i++) words[i] = fix(words[i]);
        writeSync(file, new Uint8Array(words.buffer, 0, count));
      }
    }
  } finally {
    closeSync(file);
  }
  return head.length + position;
}
