// Opens .gz and .zip: one level, as streams, without web workers or eval (the page's Content-Security-Policy forbids both elsewhere).
import { ZipReader, BlobReader, configure, type Entry, type FileEntry } from '@zip.js/zip.js/index-native.js';
import { UserError, messageOf } from '../core/invariant.ts';
import { countingStream, isSystemFile, type ByteFile, type OnBytes } from './byteFile.ts';
import { ExpansionError, ExpansionGuard, type ExpansionLimits } from './expansionGuard.ts';
import { isAbort } from './pace.ts';

configure({ useWebWorkers: false, useCompressionStream: true });

/** A stream whose failures other than our own sentences become `sentence`. */
function withFailure(stream: ReadableStream<Uint8Array>, sentence: string): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        controller.error(error instanceof UserError || isAbort(error) ? error : new UserError(sentence));
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

/**
 * The content of a gzip file, under the gzip file's own path.
 * @param compressedBytes size of `file`, for the expansion ratio
 */
export function gunzipped(file: ByteFile, compressedBytes: number, limits: ExpansionLimits): ByteFile {
  return {
    path: file.path,
    open: (onBytes) => {
      const guard = new ExpansionGuard(file.path, compressedBytes, limits);
      const expanded = file.open(onBytes)
        .pipeThrough(new DecompressionStream('gzip') as unknown as ReadableWritablePair<Uint8Array, Uint8Array>)
        .pipeThrough(countingStream((bytes) => guard.add(bytes)));
      return withFailure(expanded, `${file.path} is no complete gzip file, so it could not be unpacked.`);
    },
  };
}

export interface ZipContent {
  readonly files: { readonly file: ByteFile; readonly expandedBytes: number }[];
  /** Sentences about entries left out. */
  readonly skipped: string[];
}

/**
 * Lists a zip's files; nothing is expanded until one is opened.
 * @throws UserError when it is no zip, or when its directory already declares an expansion over the limits
 */
export async function openZip(path: string, blob: Blob, limits: ExpansionLimits): Promise<ZipContent> {
  let entries: Entry[];
  try {
    entries = await new ZipReader(new BlobReader(blob)).getEntries();
  } catch (error) {
    throw new UserError(`${path} is no complete zip file, so it could not be unpacked (${messageOf(error)}).`);
  }
  const content: ZipContent = { files: [], skipped: [] };
  new ExpansionGuard(path, blob.size, limits).checkTotal(entries.reduce((sum, entry) => sum + (entry.directory ? 0 : entry.uncompressedSize), 0));
  for (const entry of entries) {
    if (entry.directory || isSystemFile(entry.filename)) continue;
    const entryPath = `${path}/${entry.filename}`;
    if (entry.encrypted) content.skipped.push(`${entryPath} is encrypted.`);
    else content.files.push({ file: zipEntryFile(entryPath, entry), expandedBytes: entry.uncompressedSize });
  }
  return content;
}

/** An entry may not expand further than the archive's directory declares, which openZip has judged. */
function zipEntryFile(path: string, entry: FileEntry): ByteFile {
  const compressedPerExpanded = entry.compressedSize / Math.max(1, entry.uncompressedSize);
  const open = (onBytes?: OnBytes): ReadableStream<Uint8Array> => {
    let expanded = 0;
    const { readable, writable } = countingStream((bytes) => {
      expanded += bytes;
      if (expanded > entry.uncompressedSize) throw new ExpansionError(`${path} expands further than its zip file declares, so it was refused as a possible zip bomb.`);
      onBytes?.(bytes * compressedPerExpanded);
    });
    // getData reports a failure both here and through the stream it writes to; the stream is where it is handled.
    entry.getData(writable).catch((error) => writable.abort(error).catch(() => undefined));
    return withFailure(readable, `${path} is damaged and could not be unpacked.`);
  };
  return { path, open };
}
