// Writes named float32 tensors as a safetensors file. The parts are the header and views of the callers' own arrays: nothing is copied here.
// Typed arrays are little endian, as the format demands, on every machine a browser runs on.
import type { HostTensors } from '../core/tensor.ts';

/**
 * The file as parts in order: the length and header, then each tensor's bytes in the map's order. The views share memory with the tensors,
 * so the parts must be used before the tensors change.
 * @param metadata string pairs for `__metadata__`; Hugging Face's loaders want `{format: 'pt'}`
 */
export function safetensorsParts(tensors: HostTensors, metadata: Readonly<Record<string, string>> = { format: 'pt' }): Uint8Array<ArrayBuffer>[] {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let position = 0;
  for (const [name, { shape, data }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [position, position + data.byteLength] };
    position += data.byteLength;
  }
  // Spaces at the end align the data, as the reference writer does.
  const json = JSON.stringify(header);
  const bytes = new TextEncoder().encode(json);
  const padded = Math.ceil(bytes.length / 8) * 8;
  const head = new Uint8Array(8 + padded).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true);
  head.set(bytes, 8);
  return [head, ...Array.from(tensors.values(), ({ data }) => new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength))];
}
