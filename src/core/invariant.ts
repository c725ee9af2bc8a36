// Two kinds of failure: an Invariant breach is our bug; a UserError is one clear sentence meant for the person at the screen.

/** A failure whose message is one plain sentence naming what and where; shown to the user as it stands. */
export class UserError extends Error {
  override name = 'UserError';
}

/** Throws when our own assumption does not hold. @throws Error with `message` */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Invariant: ${message}`);
}

/** The sentence to show for any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
