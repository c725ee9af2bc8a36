// Data commands: read, split, preview. A failed or cancelled load leaves the data set before it in place.
import type { DataConfig } from '../config/dataConfig.ts';
import { DEFAULT_RUN_CONFIG } from '../config/runConfig.ts';
import { UserError } from '../core/invariant.ts';
import { loadCorpus, type LoadedCorpus } from '../data/loadCorpus.ts';
import { splitCorpus, type CorpusSplit } from '../data/split.ts';
import { checkTrainable } from '../data/windows.ts';
import { previewDocument, summarizeCorpus } from '../data/summary.ts';
import { blobOf, type TextSource } from '../data/byteFile.ts';
import { comparesNear } from '../data/deduplicate.ts';
import { FieldError } from '../data/textField.ts';
import type { DataSource } from '../protocol/commands.ts';
import type { EngineState } from './engineState.ts';
import { PreparationPool, poolSize } from './preparationPool.ts';

/** Files with fewer bytes in all are read on the engine's thread. */
const MIN_POOL_BYTES = 2e6;

export async function loadData(state: EngineState, sources: readonly DataSource[], config: DataConfig, signal: AbortSignal): Promise<void> {
  if (state.isBusy) throw new UserError('Stop the training run before loading other text.');
  const { tokenizer } = state.requirePack();
  const texts = await Promise.all(sources.map((source) => openSource(source, signal)));
  const preparation = openPool(state, config, texts);
  try {
    const loaded = await loadCorpus(texts, {
      tokenizer, config, signal, preparation,
      onProgress: (progress) => state.emit({ type: 'data.progress', ...progress }),
    });
    signal.throwIfAborted();
    useCorpus(state, loaded, config);
  } catch (error) {
    if (!(error instanceof FieldError) || signal.aborted) throw error;
    state.emit({ type: 'data.failed', message: error.message, fields: error.fields });
  } finally {
    preparation?.close();
  }
}

/** Other threads for much text; none for little, which is done before they have started. */
function openPool(state: EngineState, { nearDuplicateThreshold }: DataConfig, texts: readonly TextSource[]): PreparationPool | undefined {
  const { tokenizer, pack: { tokenizerJson, tokenizerConfig } } = state.requirePack();
  const size = poolSize(navigator.hardwareConcurrency);
  const bytes = texts.reduce((sum, source) => sum + blobOf(source).size, 0);
  if (size === 0 || bytes < MIN_POOL_BYTES) return undefined;
  return new PreparationPool(tokenizer, { tokenizerJson, tokenizerConfig, comparesNear: comparesNear(nearDuplicateThreshold) }, size);
}

/** Splits the loaded documents again. */
export function resplitData(state: EngineState, config: DataConfig): void {
  if (state.isBusy) throw new UserError('Stop the training run before splitting the text again.');
  useCorpus(state, state.requireData().loaded, config);
}

export function cancelData(state: EngineState): void {
  const running = state.running.get('data');
  if (!running) return;
  running.abort();
  state.emit({ type: 'data.cancelled' });
}

export function previewDocumentOf(state: EngineState, document: number): void {
  const { loaded, split } = state.requireData();
  state.emit({ type: 'data.previewed', preview: previewDocument(loaded.corpus, split, state.requirePack().tokenizer, document) });
}

function useCorpus(state: EngineState, loaded: LoadedCorpus, config: DataConfig): void {
  const split = splitCorpus(loaded.corpus, config);
  const described = summarizeCorpus(loaded, split, config);
  const untrainable = reasonAgainstTraining(state, loaded, split);
  const summary = untrainable ? { ...described, warnings: [untrainable, ...described.warnings] } : described;
  state.forgetData();
  state.data = { loaded, corpus: loaded.corpus, split, summary };
  state.emit({ type: 'data.loaded', data: summary, preview: previewDocument(loaded.corpus, split, state.requirePack().tokenizer, 0) });
}

/** Why this text cannot be trained on with the usual window, said when it is loaded rather than when training is tried. */
function reasonAgainstTraining(state: EngineState, { corpus }: LoadedCorpus, split: CorpusSplit): string | undefined {
  const { maxPositionEmbeddings } = state.requirePack().pack.model;
  try {
    checkTrainable(corpus, split, Math.min(DEFAULT_RUN_CONFIG.seqLen, maxPositionEmbeddings));
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

async function openSource(source: DataSource, signal: AbortSignal): Promise<TextSource> {
  if (source.kind === 'text') return { path: source.path, text: source.text };
  if (source.kind === 'file') return { path: source.path, blob: source.file };
  const response = await fetch(source.url, { signal }).catch(() => undefined);
  if (!response?.ok) throw new UserError(`${source.path} could not be fetched from ${source.url}.`);
  return { path: source.path, blob: await response.blob() };
}
