// A failure of a script that is one clear sentence for the person at the terminal, and how every script ends: the sentence on
// stderr without a stack, and a non-zero exit code. Plain JavaScript: runs before anything is installed.

/** A failure whose message is shown as it stands. */
export class CommandFailure extends Error {
  /** @param {string} message one sentence @param {number} [exitCode] */
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Runs a script's main function. A CommandFailure prints its sentence; anything else is a bug and prints its stack.
 * @param {() => Promise<number>} main resolves with the exit code
 */
export async function runScript(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    const sentence = error instanceof CommandFailure ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
    console.error(sentence);
    process.exitCode = error instanceof CommandFailure ? error.exitCode : 1;
  }
}
