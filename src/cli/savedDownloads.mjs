// Saves the files that a driven page offers, each as it comes: what was offered before an interruption is not lost with the browser's profile.
import { join } from 'node:path';
import { CommandFailure } from './commandFailure.mjs';

/**
 * @param {import('playwright').Page} page
 * @param {string} folder
 * @returns {(count: number) => Promise<void>} resolves when so many files are saved; rejects with a CommandFailure where one could not be
 */
export function saveDownloads(page, folder) {
  /** @type {Promise<void>[]} */
  const saving = [];
  let onOffered = () => {};
  page.on('download', (download) => {
    const saved = save(download, folder);
    // Waited for at the end; until then a failure must not count as unhandled.
    saved.catch(() => undefined);
    saving.push(saved);
    onOffered();
  });
  return async (count) => {
    while (saving.length < count) {
      await new Promise((/** @type {(value: void) => void} */ resolve) => {
        onOffered = resolve;
      });
    }
    await Promise.all(saving);
  };
}

/** @param {import('playwright').Download} download @param {string} folder */
async function save(download, folder) {
  const target = join(folder, download.suggestedFilename());
  try {
    await download.saveAs(target);
  } catch (error) {
    throw new CommandFailure(`${target} could not be saved: ${/** @type {Error} */ (error).message.split('\n')[0]}`);
  }
  console.error(`saved ${target}`);
}
