// One Web Lock per run, held while the run goes on, tells every tab which runs are alive: the browser lets go of it when the tab or its worker dies.
// https://www.w3.org/TR/web-locks/

/** The part of navigator.locks used here. */
export interface LockSource {
  /** Calls back with the lock, or null where another has it; holds the lock until the callback's promise settles, and settles then itself. */
  request(name: string, options: { readonly ifAvailable: true }, callback: (lock: unknown) => Promise<void>): Promise<unknown>;
}

interface HeldLock {
  readonly letGo: () => void;
  /** Settles when the browser has let go of the lock. */
  readonly gone: Promise<unknown>;
}

export class RunLocks {
  private readonly held = new Map<string, HeldLock>();
  private readonly pending = new Map<string, Promise<boolean>>();

  /** @param prefix locks are per origin; stores of other names must not meet */
  constructor(private readonly source: LockSource, private readonly prefix: string) {}

  isMine(runId: string): boolean {
    return this.held.has(runId);
  }

  /** Takes the run's lock; true as well when it is held here already, false when another tab holds it. */
  async take(runId: string): Promise<boolean> {
    if (this.isMine(runId)) return true;
    const asked = this.pending.get(runId) ?? this.ask(runId).finally(() => this.pending.delete(runId));
    this.pending.set(runId, asked);
    return asked;
  }

  async release(runId: string): Promise<void> {
    const lock = this.held.get(runId);
    this.held.delete(runId);
    lock?.letGo();
    await lock?.gone;
  }

  async releaseAll(): Promise<void> {
    await Promise.all([...this.held.keys()].map((runId) => this.release(runId)));
  }

  private async ask(runId: string): Promise<boolean> {
    const lock = await requestLock(this.source, `${this.prefix}.${runId}`);
    if (lock) this.held.set(runId, lock);
    return lock !== undefined;
  }
}

async function requestLock(source: LockSource, name: string): Promise<HeldLock | undefined> {
  let gone: Promise<unknown> = Promise.resolve();
  const letGo = await new Promise<(() => void) | undefined>((answer, fail) => {
    gone = source.request(name, { ifAvailable: true }, async (lock) => {
      if (lock) await new Promise<void>((resolve) => answer(resolve));
      else answer(undefined);
    });
    gone.catch(fail);
  });
  return letGo && { letGo, gone };
}
