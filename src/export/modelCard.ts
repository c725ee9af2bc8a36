// The model card (README.md) of an exported model: what it is, what it was made from, how it was trained and how it did, in plain Markdown with
// Hugging Face's front matter. Losses come in nats per token; the card shows perplexities.
import { formatCount, formatPercent, formatPerplexity, formatSeconds } from '../core/format.ts';
import { numParameters, type ModelConfig, type ProjectedNetworkConfig } from '../config/modelConfig.ts';
import { RUN_RANGES, type RunConfig } from '../config/runConfig.ts';

export interface ModelCard {
  /** Title of the card, e.g. "nano specialized on contracts.jsonl". */
  readonly title: string;
  /** ISO 8601 date and time of the export. */
  readonly date: string;
  readonly pack: {
    readonly name: string;
    readonly origin: string;
    readonly provenance: string;
    readonly projectedNetwork: ProjectedNetworkConfig;
  };
  readonly data: {
    /** Identifies the texts without giving them away. */
    readonly fingerprint: string;
    readonly files: number;
    readonly bytes: number;
    readonly exactDuplicates: number;
    readonly nearDuplicates: number;
    readonly splits: Readonly<Record<'train' | 'validation' | 'test', { readonly documents: number; readonly tokens: number }>>;
  };
  readonly expert: {
    readonly strategy: string;
    readonly cluster?: number;
    /** The sentence the page showed. */
    readonly explanation: string;
    /** Shares of the text's windows per cluster. */
    readonly histogram: readonly number[];
    readonly labels: readonly string[];
  };
  readonly settings: RunConfig;
  readonly training: {
    readonly steps: number;
    readonly bestStep: number;
    readonly tokens: number;
    readonly seconds: number;
    /** Why it ended, e.g. "earlyStopping". */
    readonly reason: string;
  };
  /** Losses by step; each point may have either or both. */
  readonly curve: readonly CurvePoint[];
  /** Figures on the held-out test documents. */
  readonly test: readonly CardTestFigure[];
  /** The adapter it was trained on. */
  readonly adapter: string;
  /** Hash of the exported weights (formats/weightsHash.ts). */
  readonly weightsHash: string;
}

export interface CurvePoint {
  readonly step: number;
  readonly trainLoss?: number;
  readonly validationLoss?: number;
}

/** Structurally protocol's TestFigure. */
export interface CardTestFigure {
  readonly model: 'slm' | 'projected' | 'fineTuned';
  readonly perplexity: number;
  readonly bitsPerByte: number;
  readonly interval: readonly [number, number];
  readonly tokens: number;
  readonly documents: number;
  readonly weightsHash: string;
}

const TESTED_MODELS = { slm: 'Plain small model, not fine-tuned', projected: 'Projected model, before fine-tuning', fineTuned: 'This model' } as const;
const MAX_CURVE_ROWS = 40;
const MAX_CLUSTER_ROWS = 5;

export function modelCardMarkdown(card: ModelCard, model: ModelConfig, contextLength: number): string {
  return [frontMatter(), introduction(card, model, contextLength), testSection(card), dataSection(card), expertSection(card), trainingSection(card), loadingSection(), licenceSection()].join('\n\n') + '\n';
}

function frontMatter(): string {
  return ['---', 'library_name: transformers', 'pipeline_tag: text-generation', 'license: other', 'license_name: see-model-card', 'tags:', '- llama', '- projected-network', '- domain-specialization', '---'].join('\n');
}

function introduction({ title, date, pack, adapter, weightsHash }: ModelCard, model: ModelConfig, contextLength: number): string {
  const { h, k, m } = pack.projectedNetwork;
  return `# ${plain(title)}

A Llama-shaped language model of ${formatCount(numParameters(model))} parameters, projected from the pretrained projected network "${plain(pack.name)}" (h = ${h}, k = ${k}, m = ${m}) and fine-tuned in a
browser tab on its owner's text. The method follows Grangier et al., "Need a Small Specialized Language Model? Plan Early!" (arXiv 2402.01093).

${table(['', ''], [
    ['Layers, width, heads, MLP width', `${model.numHiddenLayers}, ${model.hiddenSize}, ${model.numAttentionHeads}, ${model.intermediateSize}`],
    ['Vocabulary, context', `${formatCount(model.vocabSize)}, ${formatCount(contextLength)} tokens`],
    ['Made on', `${date} with ${plain(adapter)}`],
    ['Pack', plain(pack.origin)],
    ['Weights', `\`${plain(weightsHash)}\` (SHA-256 over names, shapes and float32 values, first 16 digits)`],
  ])}

${plain(pack.provenance)}`;
}

function testSection({ test }: ModelCard): string {
  if (test.length === 0) return '## Test\n\nThe model was exported before it was evaluated on held-out test documents.';
  const rows = test.map(({ model, perplexity, interval, bitsPerByte, documents, tokens, weightsHash }) => [
    TESTED_MODELS[model], formatPerplexity(perplexity), `${formatPerplexity(interval[0])} to ${formatPerplexity(interval[1])}`, bitsPerByte.toFixed(3), formatCount(documents), formatCount(tokens), `\`${plain(weightsHash)}\``,
  ]);
  return `## Test

Perplexity on held-out documents that were used neither for training nor for choosing anything; 95% intervals by bootstrap over documents.

${table(['Model', 'Perplexity', '95% interval', 'Bits per byte', 'Documents', 'Tokens', 'Weights'], rows)}`;
}

function dataSection({ data }: ModelCard): string {
  const { splits } = data;
  const rows = (['train', 'validation', 'test'] as const).map((name) => [name, formatCount(splits[name].documents), formatCount(splits[name].tokens)]);
  return `## Data

${formatCount(data.files)} ${data.files === 1 ? 'file' : 'files'}, ${formatCount(data.bytes)} bytes of text, split by document; ${formatCount(data.exactDuplicates)} exact and ${formatCount(data.nearDuplicates)} near duplicates were dropped. Fingerprint of the data: \`${plain(data.fingerprint)}\`.

${table(['Split', 'Documents', 'Tokens'], rows)}`;
}

function expertSection({ expert }: ModelCard): string {
  const rows = expert.histogram
    .map((share, index) => ({ share, name: `${index} (${plain(expert.labels[index] ?? '')})` }))
    .sort((a, b) => b.share - a.share)
    .filter(({ share }) => share > 0)
    .slice(0, MAX_CLUSTER_ROWS)
    .map(({ share, name }) => [name, formatPercent(share)]);
  return `## Start

Strategy: ${plain(expert.strategy)}. ${plain(expert.explanation)}

${table(['Cluster', 'Share of the text'], rows)}`;
}

function trainingSection({ settings, training, curve }: ModelCard): string {
  const settingRows = Object.entries(settings).map(([key, value]) => [key in RUN_RANGES ? RUN_RANGES[key as keyof typeof RUN_RANGES].label : 'Schedule', String(value)]);
  const curveRows = spread(curve.filter(({ validationLoss }) => validationLoss !== undefined), MAX_CURVE_ROWS)
    .map(({ step, trainLoss, validationLoss }) => [String(step), perplexityCell(trainLoss), perplexityCell(validationLoss)]);
  return `## Training

${formatCount(training.steps)} steps over ${formatCount(training.tokens)} tokens in ${formatSeconds(training.seconds)} (ended by: ${plain(training.reason)}); the weights are those of step ${training.bestStep}. AdamW in float32, by WebGPU kernels.

${table(['Setting', 'Value'], settingRows)}

Perplexity by step (all points are in \`training_log.json\`):

${table(['Step', 'Training', 'Validation'], curveRows)}`;
}

function loadingSection(): string {
  return `## Use

\`\`\`python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
model = AutoModelForCausalLM.from_pretrained("path/to/this/folder")
inputs = tokenizer("Once", return_tensors="pt", return_token_type_ids=False)
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=40, do_sample=True, top_p=0.95)[0]))
\`\`\``;
}

function licenceSection(): string {
  return `## Licence and limits

The pretrained pack was trained on the texts named above, under their licences. The text it was fine-tuned on belongs to its owner and never left their machine, but a language model can repeat
what it was trained on: share this model only with those who may read that text, and under terms its rights allow.`;
}

/** At most `count` items, evenly spaced, the first and the last among them. */
function spread<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]);
}

const perplexityCell = (loss: number | undefined): string => (loss === undefined ? '' : formatPerplexity(Math.exp(loss)));

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Text from files and labels, so that it can neither break a table nor become markup. */
const plain = (text: string): string => text.replace(/\s+/g, ' ').replace(/[|<>`*_[\]\\]/g, (character) => `\\${character}`).trim();
