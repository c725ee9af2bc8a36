// The pool against workers that are no threads, so that each way of dying can be had: whatever happens, every batch comes back, and the same.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DocumentPreparer, type PreparedBatch } from '../data/prepareDocuments.ts';
import type { TextTokenizer } from '../tokenizer/tokenizer.ts';
import { PreparationPool, poolSize, type PreparationRequest, type PreparationWorker } from './preparationPool.ts';

/** One token per byte. */
const tokenizer = { vocabSize: 256, encode: (text: string) => Uint32Array.from(new TextEncoder().encode(text)) } as unknown as TextTokenizer;
const settings = { tokenizerJson: {}, tokenizerConfig: {}, comparesNear: true };
const preparer = new DocumentPreparer(tokenizer, true);

type Behaviour = 'works' | 'diesAtStart' | 'diesAtItsSecondBatch' | 'keepsSilent' | 'sendsRubbish';

class FakeWorker {
  private readonly handlers = new Map<string, (event: unknown) => void>();
  private numBatches = 0;
  isEnded = false;

  constructor(private readonly behaviour: Behaviour) {
    if (behaviour === 'diesAtStart') this.fire('error', new Event('error'));
  }

  addEventListener(type: string, handler: (event: unknown) => void): void {
    this.handlers.set(type, handler);
  }

  postMessage(request: PreparationRequest): void {
    if ('settings' in request || this.behaviour === 'keepsSilent' || this.behaviour === 'diesAtStart') return;
    if (this.behaviour === 'sendsRubbish') return this.fire('messageerror', {});
    if (++this.numBatches > 1 && this.behaviour === 'diesAtItsSecondBatch') return this.fire('error', new Event('error'));
    this.fire('message', { data: { id: request.id, batch: preparer.prepare(request.texts) } });
  }

  terminate(): void {
    this.isEnded = true;
  }

  private fire(type: string, event: unknown): void {
    setTimeout(() => {
      if (!this.isEnded) this.handlers.get(type)?.(event);
    }, 1);
  }
}

function poolOf(...behaviours: Behaviour[]): { pool: PreparationPool; workers: FakeWorker[] } {
  const workers: FakeWorker[] = [];
  const start = (): PreparationWorker => {
    const worker = new FakeWorker(behaviours[workers.length]);
    workers.push(worker);
    return worker as unknown as PreparationWorker;
  };
  return { pool: new PreparationPool(tokenizer, settings, behaviours.length, start), workers };
}

const batches = Array.from({ length: 12 }, (_, i) => [`text ${i}`, `another one, number ${i} of many`]);
const expected = batches.map((texts) => preparer.prepare(texts));
const prepareAll = (pool: PreparationPool): Promise<PreparedBatch[]> => Promise.all(batches.map((texts) => pool.prepare(texts)));

describe('PreparationPool', () => {
  afterEach(() => vi.useRealTimers());

  it('takes a core each, but for a single one, and not too many', () => {
    expect([1, 2, 4, 64].map(poolSize)).toEqual([0, 2, 4, 8]);
  });

  it('shares batches out evenly and answers each with its own', async () => {
    const { pool, workers } = poolOf('works', 'works', 'works');
    const posted = workers.map((worker) => vi.spyOn(worker, 'postMessage'));
    expect(await prepareAll(pool)).toEqual(expected);
    expect(posted.map(({ mock }) => mock.calls.length)).toEqual([4, 4, 4]);
    expect(pool.maxBatches).toBe(6);
    pool.close();
    expect(workers.every(({ isEnded }) => isEnded)).toBe(true);
  });

  it.each<[string, Behaviour[], number]>([
    ['one does not start', ['works', 'diesAtStart'], 1],
    ['none starts', ['diesAtStart', 'diesAtStart'], 0],
    ['one dies at work', ['diesAtItsSecondBatch', 'works'], 1],
    ['all die at work', ['diesAtItsSecondBatch', 'diesAtItsSecondBatch'], 0],
    ['a message cannot be read', ['sendsRubbish', 'works'], 1],
  ])('loses nothing when %s', async (_what, behaviours, left) => {
    const { pool, workers } = poolOf(...behaviours);
    expect(await prepareAll(pool)).toEqual(expected);
    expect(pool.size).toBe(left);
    expect(workers.filter(({ isEnded }) => !isEnded)).toHaveLength(left);
    expect(await prepareAll(pool)).toEqual(expected);
  });

  it('gives up a worker that says nothing for a minute', async () => {
    vi.useFakeTimers();
    const { pool } = poolOf('keepsSilent', 'works');
    const all = prepareAll(pool);
    await vi.advanceTimersByTimeAsync(61_000);
    expect(await all).toEqual(expected);
    expect(pool.size).toBe(1);
  });

  it('prepares on this thread when workers may not be started at all', async () => {
    const pool = new PreparationPool(tokenizer, settings, 2, () => {
      throw new Error('forbidden by policy');
    });
    expect(pool.size).toBe(0);
    expect(await prepareAll(pool)).toEqual(expected);
  });

  it('gives up what is under way when it is closed', async () => {
    const { pool } = poolOf('works', 'works');
    const all = Promise.allSettled(batches.map((texts) => pool.prepare(texts)));
    pool.close();
    expect((await all).map(({ status }) => status)).toEqual(batches.map(() => 'rejected'));
  });
});
