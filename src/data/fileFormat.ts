// Which reader a file goes to: by its extension, or by its first characters where the extension says nothing.

export type FileFormat = 'text' | 'jsonLines' | 'json' | 'csv' | 'tsv' | 'html';
export type ArchiveFormat = 'gzip' | 'zip';

const BY_EXTENSION: Readonly<Record<string, FileFormat>> = {
  txt: 'text', text: 'text', md: 'text', markdown: 'text', rst: 'text', tex: 'text', log: 'text', org: 'text',
  jsonl: 'jsonLines', ndjson: 'jsonLines', json: 'json', csv: 'csv', tsv: 'tsv', tab: 'tsv', html: 'html', htm: 'html', xhtml: 'html',
};

/** Extensions of files that hold words but not as plain text; naming them beats "binary data". */
const KNOWN_OTHERS: Readonly<Record<string, string>> = {
  pdf: 'PDF', doc: 'Word', docx: 'Word', odt: 'OpenDocument', rtf: 'RTF', epub: 'EPUB', xls: 'Excel', xlsx: 'Excel', ppt: 'PowerPoint', pptx: 'PowerPoint',
  parquet: 'Parquet', tar: 'tar', tgz: 'tar', '7z': '7-Zip', rar: 'RAR', bz2: 'bzip2', xz: 'xz', zst: 'Zstandard',
};

export const extensionOf = (path: string): string => /\.([a-z0-9]+)$/i.exec(path)?.[1].toLowerCase() ?? '';

export function archiveFormatOf(path: string): ArchiveFormat | undefined {
  const extension = extensionOf(path);
  return extension === 'gz' ? 'gzip' : extension === 'zip' ? 'zip' : undefined;
}

/** A sentence for formats that are known and not read here; `textPath` names the format, `path` is what the sentence names. */
export function refusalOf(textPath: string, path: string): string | undefined {
  const name = KNOWN_OTHERS[extensionOf(textPath)];
  return name && `${path} is a ${name} file, which is not read here; save its text as .txt.`;
}

/** @param head the file's first characters */
export function fileFormatOf(path: string, head: string): FileFormat {
  const known = BY_EXTENSION[extensionOf(path)];
  const start = head.trimStart();
  if (known === 'json' && looksLikeJsonLines(start)) return 'jsonLines';
  if (known) return known;
  if (/^(<!doctype html|<html)/i.test(start)) return 'html';
  if (looksLikeJsonLines(start)) return 'jsonLines';
  return /^\[\s*[{"]/.test(start) ? 'json' : 'text';
}

/** A complete JSON object on the first line and the beginning of another one on the second. */
function looksLikeJsonLines(start: string): boolean {
  const [first, second] = start.split('\n', 2);
  if (!first.startsWith('{') || !second?.trimStart().startsWith('{')) return false;
  try {
    JSON.parse(first);
    return true;
  } catch {
    return false;
  }
}
