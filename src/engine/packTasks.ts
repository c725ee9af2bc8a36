// Pack commands: load, verify, describe.
import { numParameters, numProjectedNetworkParameters } from '../config/modelConfig.ts';
import { UserError } from '../core/invariant.ts';
import { createParameterTable } from '../model/parameters.ts';
import { openPack } from '../pack/openPack.ts';
import { clearPackCache } from '../pack/packCache.ts';
import type { PackSource } from '../protocol/commands.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import type { EngineState } from './engineState.ts';

export async function loadPack(state: EngineState, source: PackSource, signal: AbortSignal): Promise<void> {
  if (state.isBusy) throw new UserError('Stop the training run before loading another pack.');
  const pack = await openPack(source, { signal, onProgress: (progress) => state.emit({ type: 'pack.progress', ...progress }) });
  const tokenizer = createTokenizer(pack.tokenizerJson, pack.tokenizerConfig);
  if (tokenizer.vocabSize > pack.model.vocabSize) {
    throw new UserError(`tokenizer.json has ${tokenizer.vocabSize} tokens, more than the ${pack.model.vocabSize} of vocab_size in config.json.`);
  }
  signal.throwIfAborted();
  state.forgetPack();
  state.loaded = { pack, tokenizer, table: createParameterTable(pack.model) };
  const { name, origin, model, projectedNetwork, bytes, downloadedBytes, clusters, provenance, optional, cacheWarning } = pack;
  state.emit({
    type: 'pack.loaded',
    pack: {
      name, origin, model, projectedNetwork, bytes, downloadedBytes, clusters, provenance, optional, cacheWarning,
      parametersBefore: numProjectedNetworkParameters(model, projectedNetwork),
      parametersAfter: numParameters(model),
    },
  });
}

export async function clearCache(state: EngineState): Promise<void> {
  state.emit({ type: 'pack.cacheCleared', bytes: await clearPackCache() });
}
