// What must be there before anything else runs: a new enough Node, the npm packages of package-lock.json, (for tests and the command
// line) a Chromium, and (for the tests of pretrain/) a Python with PyTorch. Missing pieces are installed. Plain JavaScript without dependencies; everything it prints goes to stderr.
import { spawnSync } from 'node:child_process';
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
 * Installs packages of Debian.
 * @param {string} what for messages, such as "Chromium"
 * @param {readonly string[]} packages
 * @param {string} otherwise what to do where they cannot be installed, as the end of a sentence
 * @throws {CommandFailure} when there is no apt-get, no right to use it, or it fails
 */
async function installFromDebian(what, packages, otherwise) {
  const prefix = asRoot();
  if (!existsSync('/usr/bin/apt-get') || !prefix) throw new CommandFailure(`${what} was not found: ${otherwise}.`);
  console.error(`Installing ${what} (apt-get install ${packages.join(' ')})...`);
  const env = ['env', 'DEBIAN_FRONTEND=noninteractive'];
  for (const args of [['apt-get', 'update'], ['apt-get', 'install', '-y', ...packages]]) {
    const [command, ...rest] = [...prefix, ...env, ...args];
    const code = await runCommand(command, rest, { stdoutToStderr: true });
    if (code !== 0) throw new CommandFailure(`${what} could not be installed because "${args.join(' ')}" failed: ${otherwise}.`);
  }
}

/**
 * Path of a Chromium; installs Debian's package where none is found.
 * @returns {Promise<string>}
 * @throws {CommandFailure} when there is none and it cannot be installed
 */
export async function ensureChromium() {
  const present = chromiumExecutable();
  if (present) return present;
  await installFromDebian('Chromium', ['chromium'], 'install Chromium or Chrome yourself, or set CHROMIUM_PATH to its program file');
  const installed = chromiumExecutable();
  if (!installed) throw new CommandFailure('apt-get installed Chromium but its program file was not found: set CHROMIUM_PATH to it.');
  return installed;
}

/** What pretrain/ imports, and Debian's packages of it. OpenBLAS is no module: without it PyTorch multiplies matrices with the slow reference BLAS. */
export const PYTHON_MODULES = ['torch', 'sklearn', 'scipy', 'numpy', 'yaml', 'pytest'];
const PYTHON_PACKAGES = ['python3-torch', 'python3-sklearn', 'python3-scipy', 'python3-numpy', 'python3-yaml', 'python3-pytest', 'libopenblas0-pthread'];

/**
 * Those of PYTHON_MODULES that this Python does not find; all of them where it cannot be started.
 * @param {string} python its program file
 * @returns {string[]}
 */
export function missingPythonModules(python) {
  const probe = 'import importlib.util, sys; print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name) is None])';
  const { status, stdout } = spawnSync(python, ['-c', probe, ...PYTHON_MODULES], { encoding: 'utf8' });
  return status === 0 ? stdout.split(/\s+/).filter((name) => name !== '') : [...PYTHON_MODULES];
}

/**
 * Path of a Python with PyTorch and what else pretrain/ needs; installs Debian's packages where something is missing.
 * @returns {Promise<string>} the environment variable PRETRAIN_PYTHON, else Debian's Python
 * @throws {CommandFailure} when something is missing and cannot be installed
 */
export async function ensurePyTorch() {
  const chosen = process.env.PRETRAIN_PYTHON;
  const python = chosen ?? '/usr/bin/python3';
  const missing = missingPythonModules(python);
  if (missing.length === 0) return python;
  // What apt-get installs only Debian's own Python finds.
  if (chosen) throw new CommandFailure(`PRETRAIN_PYTHON (${chosen}) lacks ${missing.join(', ')}: install them there, or unset it to use Debian's.`);
  await installFromDebian('PyTorch', PYTHON_PACKAGES, `install ${missing.join(', ')} for ${python}, or set PRETRAIN_PYTHON to a Python that has them`);
  const stillMissing = missingPythonModules(python);
  if (stillMissing.length > 0) throw new CommandFailure(`apt-get installed PyTorch but ${python} does not find ${stillMissing.join(', ')}.`);
  return python;
}
