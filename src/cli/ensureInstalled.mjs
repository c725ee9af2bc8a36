// What must be there before anything else runs: a new enough Node, the npm packages of package-lock.json, and (for tests and the command
// line) a Chromium. Missing pieces are installed. Plain JavaScript without dependencies; everything it prints goes to stderr.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, runCommand } from './childProcess.mjs';
import { chromiumExecutable } from './chromium.mjs';
import { CommandFailure } from './commandFailure.mjs';

/**
 * Vite 8 runs on Node 20.19 and up, except 21 and the first releases of 22.
 * @param {string} version such as "20.19.2"
 */
export function isSupportedNode(version) {
  const [major, minor] = version.split('.').map(Number);
  if (major === 20) return minor >= 19;
  if (major === 22) return minor >= 12;
  return major > 22;
}

/** Modification time in milliseconds, or 0 where the file is missing. @param {string} path */
function modified(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

/** True when node_modules is missing or older than package-lock.json. */
function packagesAreMissing() {
  return modified(join(ROOT, 'node_modules', '.package-lock.json')) < modified(join(ROOT, 'package-lock.json'));
}

/**
 * Installs the npm packages where they are missing or out of date.
 * @throws {CommandFailure} when Node is too old or the installation fails
 */
export async function ensureInstalled() {
  if (!isSupportedNode(process.versions.node)) {
    throw new CommandFailure(`This needs Node 20.19 or newer (22.12 or newer in the 22 line); you have ${process.versions.node}: install a current one from https://nodejs.org.`);
  }
  if (!packagesAreMissing()) return;
  console.error('Installing npm packages (npm ci)...');
  // The tools that build, test and drive the studio are development dependencies, so they are wanted whatever NODE_ENV says.
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund'];
  const npmScript = process.env.npm_execpath;
  const code = npmScript?.endsWith('.js')
    ? await runCommand(process.execPath, [npmScript, ...args], { stdoutToStderr: true })
    : await runCommand('npm', args, { stdoutToStderr: true, shell: process.platform === 'win32' });
  if (code !== 0) throw new CommandFailure('The npm packages could not be installed: see the message of npm above.');
}

/** `sudo` in front of a command, where it is needed and exists. @returns {string[] | undefined} undefined without the right to install */
function asRoot() {
  if (process.getuid?.() === 0) return [];
  return existsSync('/usr/bin/sudo') ? ['/usr/bin/sudo'] : undefined;
}

/**
 * Path of a Chromium; installs Debian's package where none is found.
 * @returns {Promise<string>}
 * @throws {CommandFailure} when there is none and it cannot be installed
 */
export async function ensureChromium() {
  const present = chromiumExecutable();
  if (present) return present;
  const prefix = asRoot();
  if (!existsSync('/usr/bin/apt-get') || !prefix) {
    throw new CommandFailure('No Chromium was found: install Chromium or Chrome, or set CHROMIUM_PATH to its program file.');
  }
  console.error('Installing Chromium (apt-get install chromium)...');
  const env = ['env', 'DEBIAN_FRONTEND=noninteractive'];
  for (const args of [['apt-get', 'update'], ['apt-get', 'install', '-y', 'chromium']]) {
    const [command, ...rest] = [...prefix, ...env, ...args];
    const code = await runCommand(command, rest, { stdoutToStderr: true });
    if (code !== 0) throw new CommandFailure(`Chromium could not be installed because "${args.join(' ')}" failed: install it yourself, or set CHROMIUM_PATH to its program file.`);
  }
  const installed = chromiumExecutable();
  if (!installed) throw new CommandFailure('apt-get installed Chromium but its program file was not found: set CHROMIUM_PATH to it.');
  return installed;
}
