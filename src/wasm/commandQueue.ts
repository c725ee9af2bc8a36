// The order of things on the WebAssembly device, as a GPU's queue keeps it: jobs run after what was submitted before them, and a write from the CPU that would overtake jobs under way waits for them.
import type { KernelJob, KernelRunner, Scratch } from './kernelJob.ts';

type Entry = { readonly jobs: readonly KernelJob[] } | { readonly act: () => void };

export class CommandQueue {
  private entries: Entry[] = [];
  private draining: Promise<void> | undefined;
  private failure: Error | undefined;

  constructor(private readonly runner: KernelRunner, private readonly scratch: () => Scratch) {}

  get isIdle(): boolean {
    return this.draining === undefined;
  }

  submit(jobs: readonly KernelJob[]): void {
    if (this.failure || jobs.length === 0) return;
    this.entries.push({ jobs });
    this.draining ??= this.drain();
  }

  /** Acts after everything submitted so far: at once when nothing is under way. */
  act(act: () => void): void {
    if (this.isIdle) act();
    else this.entries.push({ act });
  }

  /** Waits for everything submitted so far. @throws Error when the device is lost */
  async idle(): Promise<void> {
    if (!this.isIdle) await new Promise<void>((resolve) => this.entries.push({ act: resolve }));
    if (this.failure) throw this.failure;
  }

  /** Nothing runs any more; whoever waits is told `reason`. */
  fail(reason: string): void {
    this.failure ??= new Error(reason);
    this.entries = this.entries.filter((entry) => 'act' in entry);
  }

  private async drain(): Promise<void> {
    // Submissions that follow each other at once are run together.
    await undefined;
    for (let entry = this.entries.shift(); entry; entry = this.entries.shift()) {
      if ('act' in entry) {
        entry.act();
        continue;
      }
      const jobs = [...entry.jobs];
      for (let next = this.entries[0]; next && 'jobs' in next; next = this.entries[0]) {
        jobs.push(...next.jobs);
        this.entries.shift();
      }
      try {
        await this.runner.run(jobs, this.scratch());
      } catch (error) {
        this.fail(error instanceof Error ? error.message : String(error));
      }
    }
    this.draining = undefined;
  }
}
