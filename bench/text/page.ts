// The page of `node bench/text.mjs`. It runs in the tree of an older commit too, for comparison, so it uses only what both have.
import { DEFAULT_DATA_CONFIG } from '../../src/config/dataConfig.ts';
import { ContentHasher } from '../../src/data/contentHash.ts';
import { cleanText } from '../../src/data/document.ts';
import { EXPANSION_LIMITS } from '../../src/data/expansionGuard.ts';
import { loadCorpus } from '../../src/data/loadCorpus.ts';
import { MinHasher } from '../../src/data/minHash.ts';
import { Pace } from '../../src/data/pace.ts';
import { emptyReport, readDocuments } from '../../src/data/readDocuments.ts';
import type { EngineCommand } from '../../src/protocol/commands.ts';
import type { EngineEvent, EventOf } from '../../src/protocol/events.ts';
import { createTokenizer, type TextTokenizer } from '../../src/tokenizer/tokenizer.ts';

/** What was done, so that two trees can be seen to do the same. */
export interface TextBenchResult {
  readonly seconds: number;
  /** UTF-8 bytes of all texts. */
  readonly bytes: number;
  readonly tokens: number;
  /** Of the ids, or of the whole corpus. */
  readonly fingerprint: string;
}

declare global {
  interface Window {
    __textBench: {
      /** Reads the chosen files and keeps the texts for what follows. @returns their characters */
      read(maxCharacters: number): Promise<number>;
      /** A new tokenizer over all texts, then the same again. */
      tokenize(): Promise<{ cold: TextBenchResult; warm: TextBenchResult }>;
      /** Cleaning, SHA-256 and MinHash. */
      fingerprint(): Promise<TextBenchResult>;
      /** loadCorpus on this thread. */
      load(): Promise<TextBenchResult>;
      /** The chosen files through the engine's worker, as in the studio. */
      loadInEngine(): Promise<TextBenchResult>;
      forget(): void;
    };
  }
}

const packUrl = new URL('/packs/nano/', location.href).href;
const chosenFiles = (): File[] => [...(document.querySelector<HTMLInputElement>('#files')?.files ?? [])];

async function newTokenizer(): Promise<TextTokenizer> {
  const json = async (name: string): Promise<unknown> => (await fetch(`${packUrl}${name}`)).json();
  return createTokenizer(await json('tokenizer.json'), await json('tokenizer_config.json'));
}

let texts: string[] = [];
let bytesOfTexts = 0;

async function read(maxCharacters: number): Promise<number> {
  const sources = chosenFiles().map((file) => ({ path: file.name, blob: file }));
  texts = [];
  let characters = 0;
  const perFile = maxCharacters / sources.length;
  for (const source of sources) {
    let left = perFile;
    const settings = { fields: {}, limits: EXPANSION_LIMITS, pace: new Pace(), onBytes: () => undefined };
    reading: for await (const batch of readDocuments([source], settings, emptyReport())) {
      for (const { text } of batch) {
        if (left <= 0) break reading;
        texts.push(text);
        left -= text.length;
        characters += text.length;
      }
    }
  }
  bytesOfTexts = texts.reduce((sum, text) => sum + new TextEncoder().encode(text).length, 0);
  return characters;
}

function tokenizeAll(tokenizer: TextTokenizer): TextBenchResult {
  const start = performance.now();
  let tokens = 0;
  let checksum = 0;
  for (const text of texts) {
    const ids = tokenizer.encode(text);
    tokens += ids.length;
    for (let i = 0; i < ids.length; i++) checksum = (Math.imul(checksum, 31) + ids[i]) | 0;
  }
  return { seconds: (performance.now() - start) / 1000, bytes: bytesOfTexts, tokens, fingerprint: String(checksum) };
}

async function tokenize(): ReturnType<Window['__textBench']['tokenize']> {
  const tokenizer = await newTokenizer();
  return { cold: tokenizeAll(tokenizer), warm: tokenizeAll(tokenizer) };
}

async function fingerprint(): Promise<TextBenchResult> {
  const hasher = new ContentHasher();
  const minHasher = new MinHasher();
  const start = performance.now();
  let bytes = 0;
  let checksum = 0;
  for (const text of texts) {
    const clean = cleanText(text);
    const hashed = hasher.hash(clean);
    bytes += hashed.bytes;
    minHasher.compute(clean);
    for (const value of [hashed.hash[0], minHasher.signature[0], minHasher.signature[127]]) checksum = (Math.imul(checksum, 31) + value) | 0;
  }
  return { seconds: (performance.now() - start) / 1000, bytes, tokens: 0, fingerprint: String(checksum) };
}

async function load(): Promise<TextBenchResult> {
  const sources = chosenFiles().map((file) => ({ path: file.name, blob: file }));
  const { corpus, seconds } = await loadCorpus(sources, { tokenizer: await newTokenizer(), config: DEFAULT_DATA_CONFIG });
  return { seconds, bytes: corpus.bytes, tokens: corpus.numTokens, fingerprint: corpus.fingerprint('') };
}

/** One engine for all loads, as a page has. */
class Engine {
  private readonly worker = new Worker(new URL('../../src/engine/engine.worker.ts', import.meta.url), { type: 'module', name: 'engine' });

  ask<T extends EngineEvent['type']>(command: EngineCommand, type: T): Promise<EventOf<T>> {
    return new Promise((resolve, reject) => {
      this.worker.onerror = (event) => reject(new Error(event.message));
      this.worker.onmessage = ({ data: event }: MessageEvent<EngineEvent>) => {
        if (event.type === type) resolve(event as EventOf<T>);
        else if (event.type.endsWith('failed')) reject(new Error(JSON.stringify(event)));
      };
      this.worker.postMessage(command);
    });
  }
}

let engine: Promise<Engine> | undefined;

async function openEngine(): Promise<Engine> {
  const opened = new Engine();
  await opened.ask({ type: 'pack.load', source: { kind: 'url', url: packUrl } }, 'pack.loaded');
  return opened;
}

async function loadInEngine(): Promise<TextBenchResult> {
  engine ??= openEngine();
  const sources = chosenFiles().map((file) => ({ kind: 'file' as const, path: file.name, file }));
  const { data } = await (await engine).ask({ type: 'data.load', sources, config: DEFAULT_DATA_CONFIG }, 'data.loaded');
  const split = Object.values(data.splits).map(({ documents, tokens }) => `${documents}/${tokens}`).join(' ');
  return { seconds: data.seconds, bytes: data.bytes, tokens: data.tokens, fingerprint: `${data.fingerprint} ${split} ${data.exactDuplicates}+${data.nearDuplicates} ${data.warnings.join(' ')}` };
}

window.__textBench = {
  read, tokenize, fingerprint, load, loadInEngine,
  forget: () => {
    texts = [];
  },
};
