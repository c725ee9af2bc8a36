// What the engine's worker told the page, observed from outside: the product is not changed for it. Blobs are left out of the record.
import type { Page } from '@playwright/test';
import type { EngineCommand } from '../../src/protocol/commands.ts';
import type { EngineEvent, EngineEventType, EventOf } from '../../src/protocol/events.ts';

interface Recorded {
  events: EngineEvent[];
  /** When each of them came, and when the user clicked: milliseconds of the page's clock. */
  times: number[];
  clicks: number[];
  engine?: Worker;
}

declare global {
  interface Window {
    recordedEngine: Recorded;
  }
}

/** Runs in the page before its own scripts: every worker's messages that look like engine events are kept. */
function recordWorkers(): void {
  const recorded: Recorded = { events: [], times: [], clicks: [] };
  window.recordedEngine = recorded;
  addEventListener('click', () => recorded.clicks.push(performance.now()), true);
  const NativeWorker = window.Worker;
  window.Worker = class extends NativeWorker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      if (options?.name !== 'engine') return;
      recorded.engine = this;
      this.addEventListener('message', ({ data }: MessageEvent<EngineEvent>) => {
        recorded.times.push(performance.now());
        recorded.events.push(data.type === 'model.exported' ? { ...data, file: new Blob() } : data);
      });
    }
  };
}

const LONG = 5 * 60_000;

interface WaitOptions {
  readonly count?: number;
  readonly timeout?: number;
  /** Milliseconds between looks: by default seldom enough not to disturb what is measured. */
  readonly polling?: number;
}

export class EngineLog {
  private constructor(private readonly page: Page) {}

  /** Must be called before the page is opened. */
  static async install(page: Page): Promise<EngineLog> {
    await page.addInitScript(recordWorkers);
    return new EngineLog(page);
  }

  /** Every event of a type so far, in order. */
  of<T extends EngineEventType>(type: T): Promise<EventOf<T>[]> {
    return this.page.evaluate((wanted) => window.recordedEngine.events.filter((event) => event.type === wanted), type) as Promise<EventOf<T>[]>;
  }

  async last<T extends EngineEventType>(type: T): Promise<EventOf<T>> {
    const event = (await this.of(type)).at(-1);
    if (!event) throw new Error(`The engine has not sent ${type}.`);
    return event;
  }

  /** Waits until the engine has sent `count` events of a type and returns the last; fails at once when it reports a failed run instead. */
  async waitFor<T extends EngineEventType>(type: T, { count = 1, timeout = LONG, polling = 500 }: WaitOptions = {}): Promise<EventOf<T>> {
    const handle = await this.page.waitForFunction(
      ({ wanted, least }) => {
        const { events } = window.recordedEngine;
        if (events.filter((event) => event.type === wanted).length >= least) return [];
        const failed = events.filter((event) => event.type === 'train.failed' || event.type === 'engine.failed' || event.type === 'device.lost');
        return failed.length > 0 ? failed : undefined;
      },
      { wanted: type, least: count },
      { timeout, polling },
    );
    const failures = (await handle.jsonValue()) ?? [];
    if (failures.length > 0) throw new Error(`While waiting for ${type}: ${JSON.stringify(failures[0])}`);
    return this.last(type);
  }

  /** Milliseconds from the user's last click to the first event of a type after it. */
  async sinceLastClick(type: EngineEventType): Promise<number> {
    return this.page.evaluate((wanted) => {
      const { events, times, clicks } = window.recordedEngine;
      const clicked = clicks[clicks.length - 1];
      return times[events.findIndex((event, index) => event.type === wanted && times[index] >= clicked)] - clicked;
    }, type);
  }

  /** Sends a command as the page would; used to ask for facts the page does not show in full. */
  async send(command: EngineCommand): Promise<void> {
    await this.page.evaluate((sent) => window.recordedEngine.engine?.postMessage(sent), command);
  }
}
