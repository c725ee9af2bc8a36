// Builds dist/ when it is older than anything it is made from.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, runTool } from './childProcess.mjs';
import { CommandFailure } from './commandFailure.mjs';

/** What the build reads, relative to the root. */
const SOURCES = ['src', 'public', 'index.html', 'bench.html', 'specialize.html', 'vite.config.ts', 'package-lock.json'];

/** Newest modification time in milliseconds of a file, or of anything in a folder (the folder's own time tells of removals). @param {string} path @returns {number} */
function newestChange(path) {
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  return readdirSync(path).reduce((newest, name) => Math.max(newest, newestChange(join(path, name))), mtimeMs);
}

/** True when dist/ is there and newer than every source. */
export function isBuildFresh() {
  const built = join(ROOT, 'dist', 'index.html');
  if (!existsSync(built)) return false;
  const builtAt = statSync(built).mtimeMs;
  return SOURCES.map((source) => join(ROOT, source)).every((path) => !existsSync(path) || newestChange(path) <= builtAt);
}

/**
 * Builds dist/ unless it is fresh; vite's own messages go to stderr.
 * @throws {CommandFailure} when the build fails
 */
export async function ensureBuilt() {
  if (isBuildFresh()) return;
  console.error('Building the studio (vite build)...');
  const code = await runTool('vite/bin/vite.js', ['build', '--logLevel', 'error'], { stdoutToStderr: true });
  if (code !== 0) throw new CommandFailure('The build failed: see the message of vite above.');
}
