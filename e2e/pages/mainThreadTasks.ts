// Tasks of the page's main thread, from Chromium's own trace: how long each took by the clock, and how long it really computed. On a machine whose cores are
// all busy (a software GPU needs them) a task also waits for a core, which no page can help; only the second figure is the page's own.
import type { Browser, Page } from '@playwright/test';

/** https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU: times in microseconds, tdur is the thread's CPU time. */
interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly dur?: number;
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

export interface MainThreadTask {
  /** Milliseconds by the clock. */
  readonly wall: number;
  /** Milliseconds of computing. */
  readonly cpu: number;
}

/** Begins to record; the returned function ends it and gives every task. @throws Error when the trace holds no tasks or no CPU times */
export async function recordMainThread(browser: Browser, page: Page): Promise<() => Promise<MainThreadTask[]>> {
  await browser.startTracing(page, { categories: ['-*', 'disabled-by-default-devtools.timeline', '__metadata'] });
  return async () => {
    const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
    const threadOf = ({ pid, tid }: TraceEvent): string => `${pid}/${tid}`;
    const mainThreads = new Set(traceEvents.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain').map(threadOf));
    const tasks = traceEvents.filter((event) => event.name === 'RunTask' && event.dur !== undefined && mainThreads.has(threadOf(event)));
    if (tasks.length === 0 || tasks.every(({ tdur }) => tdur === undefined)) throw new Error('The trace holds no CPU times of main-thread tasks.');
    return tasks.map(({ dur = 0, tdur = dur }) => ({ wall: dur / 1000, cpu: tdur / 1000 }));
  };
}
