// Saves a blob under a name, the way a link with the download attribute does.

/** Long enough for a browser that asks where to save before it reads. */
const KEEP_URL_MILLISECONDS = 60_000;

export function downloadFile(file: Blob, fileName: string): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEEP_URL_MILLISECONDS);
}
