// Reads an exported model back with code that is not the studio's (the safetensors reader of jax-js, the tokenizer library itself) and computes its loss in
// float64 with the CPU reference.
import { readFileSync } from 'node:fs';
import { Tokenizer } from '@huggingface/tokenizers';
import { safetensors } from '@jax-js/loaders';
import { modelForward, type ReferenceConfig } from '../../src/reference/model.ts';
import { crossEntropyForward } from '../../src/reference/crossEntropy.ts';
import { unzip } from './zipFile.ts';

/** What config.json of a Llama calls its numbers. */
interface LlamaConfigJson {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly head_dim?: number;
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
  readonly eos_token_id: number;
  readonly architectures: readonly string[];
  readonly tie_word_embeddings: boolean;
}

export interface ExportedModel {
  readonly json: LlamaConfigJson;
  readonly fileNames: readonly string[];
  readonly tensorNames: readonly string[];
  /** Mean nats per token over `documents`, each preceded and the last followed by the end-of-text token, in windows of `seqLen` that do not overlap. */
  lossOn(documents: readonly string[], seqLen: number): { loss: number; tokens: number };
  numTokens(text: string): number;
}

export async function openExportedModel(zipFile: string): Promise<ExportedModel> {
  const files = await unzip(new Uint8Array(readFileSync(zipFile)));
  const text = (name: string): string => {
    const bytes = files.get(name);
    if (!bytes) throw new Error(`The export holds no ${name}, only ${[...files.keys()].join(', ')}.`);
    return new TextDecoder().decode(bytes);
  };
  const json = JSON.parse(text('config.json')) as LlamaConfigJson;
  const tokenizer = new Tokenizer(JSON.parse(text('tokenizer.json')) as object, JSON.parse(text('tokenizer_config.json')) as object);
  const model = files.get('model.safetensors');
  if (!model) throw new Error('The export holds no model.safetensors.');
  const { tensors } = safetensors.parse(model);
  const weights = new Map(Object.entries(tensors).map(([name, { data }]) => [name, Float64Array.from(data as Float32Array)]));
  const config: ReferenceConfig = {
    vocabSize: json.vocab_size,
    hiddenSize: json.hidden_size,
    intermediateSize: json.intermediate_size,
    numHiddenLayers: json.num_hidden_layers,
    numAttentionHeads: json.num_attention_heads,
    headDim: json.head_dim ?? json.hidden_size / json.num_attention_heads,
    rmsNormEps: json.rms_norm_eps,
    ropeTheta: json.rope_theta,
  };
  const encode = (document: string): number[] => [...tokenizer.encode(document, { add_special_tokens: false }).ids];

  return {
    json,
    fileNames: [...files.keys()],
    tensorNames: [...weights.keys()],
    numTokens: (document) => encode(document).length,
    lossOn(documents, seqLen) {
      const stream = [json.eos_token_id, ...documents.flatMap((document) => [...encode(document), json.eos_token_id])];
      let nats = 0;
      for (let from = 0; from < stream.length - 1; from += seqLen) {
        const targets = stream.slice(from + 1, from + 1 + seqLen);
        const tokens = stream.slice(from, from + targets.length);
        const { logits } = modelForward(config, weights, tokens, { B: 1, T: tokens.length });
        for (const loss of crossEntropyForward(logits, targets, { rows: tokens.length, V: config.vocabSize })) nats += loss;
      }
      return { loss: nats / (stream.length - 1), tokens: stream.length - 1 };
    },
  };
}
