// A pack's JSON files as text, bounded: the manifest may promise any size.
import { UserError } from '../core/invariant.ts';

const MAX_TEXT_BYTES = 128 << 20;

/** @throws UserError when the file is too large for what it should be */
export async function smallText(blob: Blob, name: string): Promise<string> {
  if (blob.size > MAX_TEXT_BYTES) throw new UserError(`${name} has ${blob.size} bytes, too many for what it should be.`);
  return blob.text();
}
