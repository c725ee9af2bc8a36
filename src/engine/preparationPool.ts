// Threads that hash and tokenize documents while the engine's own reads on (data/preparation.ts). A worker that dies, or never starts, costs nothing but
// time: what it had is prepared on this thread.
import { DocumentPreparer, type PreparedBatch } from '../data/prepareDocuments.ts';
import type { Preparation } from '../data/preparation.ts';
import type { TextTokenizer } from '../tokenizer/tokenizer.ts';

/** What a worker needs before its first batch. */
export interface PreparerSettings {
  readonly tokenizerJson: unknown;
  readonly tokenizerConfig: unknown;
  readonly comparesNear: boolean;
}

export type PreparationRequest = { readonly settings: PreparerSettings } | { readonly id: number; readonly texts: readonly string[] };

export interface PreparationReply {
  readonly id: number;
  readonly batch: PreparedBatch;
}

/** The part of a Worker the pool uses. */
export type PreparationWorker = Pick<Worker, 'postMessage' | 'addEventListener' | 'terminate'>;

/** Reading and deciding on duplicates keep up with about so many. */
const MAX_WORKERS = 8;
/** Batches a worker has at a time: the next one is there when it is done with one. */
const BATCHES_PER_WORKER = 2;
/** A worker with work that says nothing for so long is given up: browsers may end one without a word. A batch takes a few hundredths of a second. */
const SILENCE_MILLISECONDS = 60_000;

interface Task {
  readonly id: number;
  readonly texts: readonly string[];
  readonly resolve: (batch: PreparedBatch) => void;
  readonly reject: (error: unknown) => void;
}

interface Member {
  readonly worker: PreparationWorker;
  readonly tasks: Map<number, Task>;
  silence?: ReturnType<typeof setTimeout>;
}

/** Workers worth starting on a machine with `cores`; 0: this thread does it alone. */
export const poolSize = (cores: number): number => (cores > 1 ? Math.min(cores, MAX_WORKERS) : 0);

export function startPreparationWorker(): PreparationWorker {
  return new Worker(new URL('./preparation.worker.ts', import.meta.url), { type: 'module', name: 'preparation' });
}

export class PreparationPool implements Preparation {
  readonly maxBatches: number;
  private readonly members = new Set<Member>();
  private readonly ownPreparer: DocumentPreparer;
  private nextId = 0;

  constructor(tokenizer: TextTokenizer, settings: PreparerSettings, size: number, start: () => PreparationWorker = startPreparationWorker) {
    this.ownPreparer = new DocumentPreparer(tokenizer, settings.comparesNear);
    this.maxBatches = Math.max(1, size * BATCHES_PER_WORKER);
    for (let i = 0; i < size; i++) {
      try {
        this.admit(start(), settings);
      } catch {
        // No worker may be started here: the others, or this thread, do its work.
      }
    }
  }

  /** Workers at work; fewer than were started when some died. */
  get size(): number {
    return this.members.size;
  }

  prepare(texts: readonly string[]): Promise<PreparedBatch> {
    return new Promise((resolve, reject) => this.assign({ id: this.nextId++, texts, resolve, reject }));
  }

  /** Ends the workers; batches still under way are given up. */
  close(): void {
    const abandoned = [...this.members].flatMap((member) => this.end(member));
    for (const { reject } of abandoned) reject(new DOMException('The preparation pool was closed.', 'AbortError'));
  }

  private admit(worker: PreparationWorker, settings: PreparerSettings): void {
    const member: Member = { worker, tasks: new Map() };
    worker.addEventListener('message', (message) => this.receive(member, (message as MessageEvent<PreparationReply>).data));
    worker.addEventListener('error', (event) => {
      // It is dealt with here; left alone it would count as a failure of the engine's own worker.
      event.preventDefault();
      this.dismiss(member);
    });
    worker.addEventListener('messageerror', () => this.dismiss(member));
    worker.postMessage({ settings } satisfies PreparationRequest);
    this.members.add(member);
  }

  private assign(task: Task): void {
    let idlest: Member | undefined;
    for (const member of this.members) if (!idlest || member.tasks.size < idlest.tasks.size) idlest = member;
    if (!idlest) return this.prepareHere(task);
    idlest.tasks.set(task.id, task);
    this.listen(idlest);
    idlest.worker.postMessage({ id: task.id, texts: task.texts } satisfies PreparationRequest);
  }

  private receive(member: Member, { id, batch }: PreparationReply): void {
    member.tasks.get(id)?.resolve(batch);
    member.tasks.delete(id);
    this.listen(member);
  }

  /** Waits anew for a word of `member`, if it owes one. */
  private listen(member: Member): void {
    clearTimeout(member.silence);
    member.silence = member.tasks.size > 0 ? setTimeout(() => this.dismiss(member), SILENCE_MILLISECONDS) : undefined;
  }

  /** Gives up a worker; the others, or this thread, do what it had. */
  private dismiss(member: Member): void {
    for (const task of this.end(member)) this.assign(task);
  }

  /** @returns the tasks it leaves behind */
  private end(member: Member): readonly Task[] {
    if (!this.members.delete(member)) return [];
    clearTimeout(member.silence);
    member.worker.terminate();
    return [...member.tasks.values()];
  }

  private prepareHere({ texts, resolve, reject }: Task): void {
    try {
      resolve(this.ownPreparer.prepare(texts));
    } catch (error) {
      reject(error);
    }
  }
}
