// Files from a drop or from a file input, folders included, as paths and blobs sorted by path (so that a split does not depend on the
// order a browser happens to list a folder in). Hidden files (.DS_Store and the like) are left out.
import type { NamedFile } from '../../protocol/commands.ts';

const isHidden = (path: string): boolean => path.split('/').some((part) => part.startsWith('.'));
const tidy = (files: NamedFile[]): NamedFile[] =>
  files.filter(({ path }) => !isHidden(path)).sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));

export function filesOfInput(list: FileList): NamedFile[] {
  return tidy(Array.from(list, (file) => ({ path: file.webkitRelativePath || file.name, file })));
}

async function filesOfEntry(entry: FileSystemEntry): Promise<NamedFile[]> {
  const path = entry.fullPath.replace(/^\//, '');
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ path, file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: NamedFile[] = [];
  // A reader hands out a folder in batches and ends with an empty one.
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (batch.length === 0) return found;
    for (const child of batch) found.push(...(await filesOfEntry(child)));
  }
}

/** Must be called in the drop handler itself: the browser empties the transfer once the handler returns. */
export async function filesOfDrop(transfer: DataTransfer): Promise<NamedFile[]> {
  const entries = Array.from(transfer.items, (item) => (item.kind === 'file' ? item.webkitGetAsEntry() : null));
  const plain = filesOfInput(transfer.files);
  if (!entries.some((entry) => entry?.isDirectory)) return plain;
  const found: NamedFile[] = [];
  for (const entry of entries) if (entry) found.push(...(await filesOfEntry(entry)));
  return tidy(found);
}
