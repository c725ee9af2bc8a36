// A specialized model as the zip of a Hugging Face model folder: `transformers` reads it as LlamaForCausalLM once unpacked. Weights are float32 and
// stored, not deflated (they do not shrink); the head is tied to the embedding and therefore not stored, as Hugging Face does.
import { BlobReader, BlobWriter, TextReader, ZipWriter } from '@zip.js/zip.js/index-native.js';
import { invariant, UserError } from '../core/invariant.ts';
import type { HostTensors } from '../core/tensor.ts';
import { modelWeights, type ModelConfig } from '../config/modelConfig.ts';
import { safetensorsParts } from '../formats/safetensorsWriter.ts';
import { modelCardMarkdown, type ModelCard } from './modelCard.ts';
import { readSpecialTokens, type SpecialTokens } from './specialTokens.ts';

export interface HuggingFaceModel {
  readonly model: ModelConfig;
  /** Tokens the model was pretrained to see at once: `max_position_embeddings`. */
  readonly contextLength: number;
  /** Every weight of modelWeights(model), float32, Llama names. */
  readonly tensors: HostTensors;
  readonly tokenizerJsonText: string;
  readonly tokenizerConfigText: string;
  readonly card: ModelCard;
}

/**
 * The files lie at the zip's root.
 * @throws UserError when a weight is not finite, or the tokenizer's files do not fit together
 */
export async function buildHuggingFaceZip(source: HuggingFaceModel): Promise<Blob> {
  const { model, contextLength, tokenizerJsonText, tokenizerConfigText, card } = source;
  const tensors = exportedTensors(model, source.tensors);
  const special = readSpecialTokens(tokenizerJsonText, tokenizerConfigText);
  const texts: Record<string, string> = {
    'config.json': json(llamaConfig(model, contextLength, special)),
    'generation_config.json': json({ _from_model_config: true, bos_token_id: special.id('bos_token'), eos_token_id: special.id('eos_token'), pad_token_id: special.id('pad_token') }),
    'tokenizer.json': tokenizerJsonText,
    'tokenizer_config.json': tokenizerConfigText,
    'special_tokens_map.json': json(special.map),
    'README.md': modelCardMarkdown(card, model, contextLength),
    'training_log.json': json(card),
  };
  // Web workers would need scripts of their own; this runs in a worker already.
  const zip = new ZipWriter(new BlobWriter('application/zip'), { useWebWorkers: false, lastModDate: new Date(card.date) });
  for (const [name, text] of Object.entries(texts)) await zip.add(name, new TextReader(text));
  await zip.add('model.safetensors', new BlobReader(new Blob(safetensorsParts(tensors))), { level: 0 });
  return zip.close();
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** The model's weights in order, checked. */
function exportedTensors(model: ModelConfig, tensors: HostTensors): HostTensors {
  return new Map(modelWeights(model).map(({ name, shape }) => {
    const tensor = tensors.get(name);
    invariant(tensor && tensor.shape.join() === shape.join(), `the exported model needs ${name} as [${shape.join(', ')}]`);
    if (!tensor.data.every(Number.isFinite)) throw new UserError(`The model was not exported, because its weight ${name} holds a value that is NaN or infinite.`);
    return [name, tensor];
  }));
}

function llamaConfig(model: ModelConfig, contextLength: number, special: SpecialTokens): Record<string, unknown> {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: model.vocabSize,
    hidden_size: model.hiddenSize,
    intermediate_size: model.intermediateSize,
    num_hidden_layers: model.numHiddenLayers,
    num_attention_heads: model.numAttentionHeads,
    num_key_value_heads: model.numAttentionHeads,
    head_dim: model.headDim,
    hidden_act: 'silu',
    max_position_embeddings: contextLength,
    rms_norm_eps: model.rmsNormEps,
    rope_theta: model.ropeTheta,
    rope_scaling: null,
    attention_bias: false,
    attention_dropout: 0,
    mlp_bias: false,
    pretraining_tp: 1,
    initializer_range: 0.02,
    use_cache: true,
    tie_word_embeddings: true,
    bos_token_id: special.id('bos_token'),
    eos_token_id: special.id('eos_token'),
    pad_token_id: special.id('pad_token'),
    torch_dtype: 'float32',
  };
}
