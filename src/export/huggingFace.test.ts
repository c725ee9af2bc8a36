// The exported zip, taken apart again: the weights by an independent reader (@jax-js/loaders).
import { safetensors as independentReader } from '@jax-js/loaders';
import { BlobReader, TextWriter, Uint8ArrayWriter, ZipReader, type FileEntry } from '@zip.js/zip.js/index-native.js';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { HostTensor } from '../core/tensor.ts';
import { modelWeights, type ModelConfig } from '../config/modelConfig.ts';
import { DEFAULT_RUN_CONFIG } from '../config/runConfig.ts';
import { weightsHash } from '../formats/weightsHash.ts';
import { randomFloats } from '../testing/testGpu.ts';
import { buildHuggingFaceZip } from './huggingFace.ts';
import type { ModelCard } from './modelCard.ts';
import { readSpecialTokens } from './specialTokens.ts';

const model: ModelConfig = { vocabSize: 4096, hiddenSize: 16, intermediateSize: 24, numHiddenLayers: 2, numAttentionHeads: 2, headDim: 8, maxPositionEmbeddings: 256, rmsNormEps: 1e-5, ropeTheta: 10000 };
const tensors = new Map<string, HostTensor>(modelWeights(model).map(({ name, shape }, i) => [name, { shape, data: randomFloats(shape.reduce((a, b) => a * b, 1), i + 1) }]));

const card: ModelCard = {
  title: 'nano specialized on |contracts|\n<b>',
  date: '2026-03-04T05:06:07.000Z',
  pack: { name: 'nano', origin: 'http://localhost/packs/nano/', provenance: 'Pretrained on 11.47M tokens.', projectedNetwork: { h: 8, k: 2, m: 16 } },
  data: { fingerprint: 'f00dcafe', files: 2, bytes: 1_234_567, exactDuplicates: 3, nearDuplicates: 4, splits: { train: { documents: 80, tokens: 300_000 }, validation: { documents: 10, tokens: 30_000 }, test: { documents: 10, tokens: 31_000 } } },
  expert: { strategy: 'mostFrequent', cluster: 1, explanation: 'Cluster 1 (law | act) holds most.', histogram: [0.25, 0.75], labels: ['said, know', 'law | act'] },
  settings: { ...DEFAULT_RUN_CONFIG, seed: 77 },
  training: { steps: 200, bestStep: 190, tokens: 102_400, seconds: 95, reason: 'earlyStopping' },
  curve: Array.from({ length: 201 }, (_, step) => ({ step, trainLoss: 4 - step / 100, validationLoss: step % 2 === 0 ? 4.1 - step / 100 : undefined })),
  test: [
    { model: 'slm', perplexity: 64.1, bitsPerByte: 1.9, interval: [60, 68.5], tokens: 31_000, documents: 10, weightsHash: 'aaaaaaaaaaaaaaaa' },
    { model: 'fineTuned', perplexity: 24.73, bitsPerByte: 1.3, interval: [23, 26.1], tokens: 31_000, documents: 10, weightsHash: weightsHash(tensors) },
  ],
  adapter: 'Google SwiftShader',
  weightsHash: weightsHash(tensors),
};

let entries: Map<string, FileEntry>;
let zip: Blob;
let tokenizerJsonText: string;
let tokenizerConfigText: string;
const text = (name: string): Promise<string> => entries.get(name)!.getData(new TextWriter(), { useWebWorkers: false });

beforeAll(async () => {
  const nano = join(import.meta.dirname, '../../public/packs/nano');
  tokenizerJsonText = await readFile(join(nano, 'tokenizer.json'), 'utf8');
  tokenizerConfigText = await readFile(join(nano, 'tokenizer_config.json'), 'utf8');
  zip = await buildHuggingFaceZip({ model, contextLength: 256, tensors, tokenizerJsonText, tokenizerConfigText, card });
  const found = await new ZipReader(new BlobReader(zip)).getEntries();
  entries = new Map(found.map((entry) => [entry.filename, entry as FileEntry]));
});

describe('the exported zip', () => {
  it('holds the files of a Hugging Face model, the weights uncompressed', () => {
    expect([...entries.keys()].sort()).toEqual(['README.md', 'config.json', 'generation_config.json', 'model.safetensors', 'special_tokens_map.json', 'tokenizer.json', 'tokenizer_config.json', 'training_log.json']);
    expect(entries.get('model.safetensors')!.compressionMethod).toBe(0);
    expect(entries.get('tokenizer.json')!.compressedSize).toBeLessThan(tokenizerJsonText.length / 2);
  });

  it('gives every weight back exactly, without a head of its own', async () => {
    const bytes = await entries.get('model.safetensors')!.getData(new Uint8ArrayWriter(), { useWebWorkers: false, checkSignature: true });
    const read = independentReader.parse(bytes as Uint8Array<ArrayBuffer>);
    expect(read.metadata).toEqual({ format: 'pt' });
    expect(Object.keys(read.tensors).sort()).toEqual([...tensors.keys()].sort());
    for (const [name, { shape, data }] of tensors) {
      expect(read.tensors[name]).toMatchObject({ dtype: 'F32', shape });
      expect(read.tensors[name].data).toEqual(data);
    }
  });

  it('describes itself as a Llama with a tied head', async () => {
    expect(JSON.parse(await text('config.json'))).toMatchObject({
      architectures: ['LlamaForCausalLM'], model_type: 'llama', vocab_size: 4096, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 2, head_dim: 8,
      max_position_embeddings: 256, rms_norm_eps: 1e-5, rope_theta: 10000, tie_word_embeddings: true, torch_dtype: 'float32', bos_token_id: 0, eos_token_id: 0, pad_token_id: null, hidden_act: 'silu',
    });
    expect(JSON.parse(await text('generation_config.json'))).toMatchObject({ bos_token_id: 0, eos_token_id: 0 });
    expect(JSON.parse(await text('special_tokens_map.json'))).toEqual({ bos_token: '<|endoftext|>', eos_token: '<|endoftext|>' });
    expect(await text('tokenizer.json')).toBe(tokenizerJsonText);
    expect(await text('tokenizer_config.json')).toBe(tokenizerConfigText);
  });

  it('carries a card with the figures, and a log with all points', async () => {
    const readme = await text('README.md');
    expect(readme).toMatch(/^---\nlibrary_name: transformers\n[^]*?\n---\n\n# nano specialized on \\\|contracts\\\| \\<b\\>\n/);
    for (const part of ['f00dcafe', '| train | 80 | 300,000 |', '| This model | 24.73 | 23.00 to 26.10 | 1.300 | 10 | 31,000 |', weightsHash(tensors), '| Seed | 77 |', '| Schedule | cosine |', 'Google SwiftShader', '2026-03-04', '| 1 (law \\| act) | 75.0% |', '(ended by: earlyStopping); the weights are those of step 190']) expect(readme).toContain(part);
    const curveRows = readme.split('| Step | Training | Validation |')[1].split('\n\n')[0].trim().split('\n').slice(1);
    expect(curveRows).toHaveLength(40);
    expect(curveRows[0]).toBe('| 0 | 54.60 | 60.34 |');
    expect(curveRows.at(-1)).toMatch(/^\| 200 \|/);
    expect(JSON.parse(await text('training_log.json')).curve).toHaveLength(201);
  });

  it('is the same file from the same model', async () => {
    const again = await buildHuggingFaceZip({ model, contextLength: 256, tensors, tokenizerJsonText, tokenizerConfigText, card });
    expect(Buffer.from(await again.arrayBuffer()).equals(Buffer.from(await zip.arrayBuffer()))).toBe(true);
  });

  it('is refused where a weight is not finite or a token unknown', async () => {
    const broken = new Map(tensors);
    broken.set('model.norm.weight', { shape: [16], data: new Float32Array(16).fill(NaN) });
    await expect(buildHuggingFaceZip({ model, contextLength: 256, tensors: broken, tokenizerJsonText, tokenizerConfigText, card })).rejects.toThrow('The model was not exported, because its weight model.norm.weight holds');
    expect(() => readSpecialTokens(tokenizerJsonText, '{"pad_token": {"content": "<pad>"}}')).toThrow('tokenizer_config.json names pad_token "<pad>", which tokenizer.json does not have.');
  });
});
