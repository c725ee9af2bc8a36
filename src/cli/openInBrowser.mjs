// Opens an address in the user's browser where there is a desktop; a failure to do so is no failure of the program.
import { spawn } from 'node:child_process';

/** The command that opens an address, or undefined on a machine without a desktop. @returns {string[] | undefined} */
function opener() {
  if (process.platform === 'darwin') return ['open'];
  if (process.platform === 'win32') return ['cmd', '/c', 'start', ''];
  return process.env.DISPLAY || process.env.WAYLAND_DISPLAY ? ['xdg-open'] : undefined;
}

/**
 * Asks the desktop to open `url`.
 * @param {string} url
 * @returns {boolean} false where there is no desktop to ask
 */
export function openInBrowser(url) {
  const command = opener();
  if (!command) return false;
  const child = spawn(command[0], [...command.slice(1), url], { stdio: 'ignore', detached: true });
  child.on('error', () => console.log('No browser could be opened by itself: open the address above.'));
  child.unref();
  return true;
}
