// The header of a safetensors file (https://github.com/huggingface/safetensors#format): 8 bytes of length, little endian, then JSON, then
// the tensors' bytes. The file is untrusted: nothing is read or allocated on the word of a number in it that was not bounded first.
import { UserError } from '../core/invariant.ts';
import { numElements } from '../core/tensor.ts';

/** Where a tensor lies: `byteOffset` counts from the beginning of the file. */
export interface StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly byteOffset: number;
  readonly byteLength: number;
}

const LENGTH_BYTES = 8;
/** The format's own limit on a header. */
const MAX_HEADER_BYTES = 100_000_000;
const MAX_RANK = 8;

const BYTES_PER_ELEMENT: Readonly<Record<string, number>> = {
  F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1,
};

/** Bytes of one element of a dtype, or undefined for a dtype this format does not know. */
export const bytesPerElement = (dtype: string): number | undefined =>
  Object.hasOwn(BYTES_PER_ELEMENT, dtype) ? BYTES_PER_ELEMENT[dtype] : undefined;

/**
 * Reads and checks the header of `file`; no tensor is read. The tensors must lie one after the other, without gap or overlap, to the file's end.
 * @param fileName named in every message
 * @throws UserError one sentence naming the file and, where there is one, the tensor
 */
export async function readSafetensorsHeader(file: Blob, fileName: string): Promise<ReadonlyMap<string, StoredTensor>> {
  if (file.size < LENGTH_BYTES) throw new UserError(`${fileName} has only ${file.size} bytes, too few for a safetensors file.`);
  const length = new DataView(await file.slice(0, LENGTH_BYTES).arrayBuffer()).getBigUint64(0, true);
  const room = BigInt(Math.min(file.size - LENGTH_BYTES, MAX_HEADER_BYTES));
  if (length > room) throw new UserError(`${fileName} declares a header of ${length} bytes, but the file has only ${file.size} bytes: it is damaged or no safetensors file.`);
  const headerBytes = Number(length);
  const text = new TextDecoder().decode(await file.slice(LENGTH_BYTES, LENGTH_BYTES + headerBytes).arrayBuffer());
  return parseHeader(text, LENGTH_BYTES + headerBytes, file.size, fileName);
}

function parseHeader(text: string, dataStart: number, fileBytes: number, fileName: string): ReadonlyMap<string, StoredTensor> {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    throw new UserError(`${fileName} has a header that is not valid JSON.`);
  }
  if (!isRecord(header)) throw new UserError(`${fileName} has a header that is not a JSON object.`);
  const tensors = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => ({ name, ...checkEntry(name, entry, fileName) }))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);

  const placed = new Map<string, StoredTensor>();
  let position = 0;
  for (const { name, dtype, shape, begin, end } of tensors) {
    if (begin !== position) throw new UserError(`${fileName}: tensor ${name} begins at byte ${begin} of the data, where ${position} was expected.`);
    if (dataStart + end > fileBytes) throw new UserError(`${fileName}: tensor ${name} ends at byte ${dataStart + end}, but the file has only ${fileBytes} bytes.`);
    placed.set(name, { dtype, shape, byteOffset: dataStart + begin, byteLength: end - begin });
    position = end;
  }
  if (dataStart + position !== fileBytes) throw new UserError(`${fileName} has ${fileBytes - dataStart - position} bytes after its last tensor.`);
  return placed;
}

interface HeaderEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function checkEntry(name: string, entry: unknown, fileName: string): HeaderEntry {
  const where = `${fileName}: tensor ${name}`;
  if (!isRecord(entry)) throw new UserError(`${where} is not described by a JSON object.`);
  const { dtype, shape, data_offsets: offsets } = entry;
  const elementBytes = typeof dtype === 'string' ? bytesPerElement(dtype) : undefined;
  if (typeof dtype !== 'string' || elementBytes === undefined) throw new UserError(`${where} has the unknown dtype ${JSON.stringify(dtype)}.`);
  if (!isSizes(shape) || shape.length > MAX_RANK) throw new UserError(`${where} has an impossible shape.`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[1] < offsets[0]) throw new UserError(`${where} has impossible data_offsets.`);
  const [begin, end] = offsets;
  const expected = numElements(shape) * elementBytes;
  if (end - begin !== expected) throw new UserError(`${where} takes ${end - begin} bytes, but its shape [${shape.join(', ')}] in ${dtype} needs ${expected}.`);
  return { dtype, shape, begin, end };
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
