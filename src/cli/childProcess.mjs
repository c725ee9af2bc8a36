// Starts the project's own tools (vite, tsc, vitest, ...) as child processes from the repository's root. Their standard output may be
// sent to stderr, for scripts whose own stdout is a result. Plain JavaScript: runs before anything is installed.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The repository's root folder. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Runs a command to its end with this terminal's input and output, or with both outputs written to the file that `log` is a descriptor of.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ stdoutToStderr?: boolean, env?: Record<string, string>, shell?: boolean, log?: number }} [options]
 * @returns {Promise<number>} the exit code; 1 when it was killed or could not be started
 */
export function runCommand(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: { ...process.env, ...options.env },
      shell: options.shell ?? false,
      stdio: options.log === undefined ? ['inherit', options.stdoutToStderr ? 2 : 'inherit', 'inherit'] : ['ignore', options.log, options.log],
    });
    child.on('error', (error) => {
      console.error(`${command} could not be started: ${error.message}`);
      resolve(1);
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/**
 * Runs one of the installed tools with this very Node.
 * @param {string} script path of the tool's JavaScript file below node_modules
 * @param {readonly string[]} args
 * @param {{ stdoutToStderr?: boolean, env?: Record<string, string>, log?: number }} [options]
 * @returns {Promise<number>} the exit code
 */
export function runTool(script, args, options = {}) {
  return runCommand(process.execPath, [`${ROOT}node_modules/${script}`, ...args], options);
}
