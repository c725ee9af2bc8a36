// What every engine is given: the nano pack's plain small model and the beginning of the bundled sample. Greedy, so that all must say the same.
import { modelWeights, type ModelConfig } from '../../src/config/modelConfig.ts';
import { openTensorFile } from '../../src/formats/tensorFile.ts';
import { parsePackConfig } from '../../src/pack/packConfig.ts';
import { createTokenizer } from '../../src/tokenizer/tokenizer.ts';

/** Tensor name (Llama naming) to values. */
export type Weights = ReadonlyMap<string, Float32Array<ArrayBuffer>>;

export interface Workload {
  readonly config: ModelConfig;
  readonly weights: Weights;
  readonly prompt: readonly number[];
  readonly endOfText: number;
  readonly tokenizerJson: string;
  readonly decode: (ids: readonly number[]) => string;
}

export interface Contestant {
  readonly name: string;
  /** Whose it is: our two devices are compared with others of the same kind. */
  readonly ours: boolean;
  readonly runsOn: 'webgpu' | 'wasm';
  /** Reads `prompt` anew and answers with the `count` likeliest tokens one after the other, end of text or not. As text where an engine gives no ids. */
  generate(prompt: readonly number[], count: number): Promise<readonly number[] | string>;
  dispose(): Promise<void> | void;
}

const PACK = '/packs/nano';
const SAMPLE = '/samples/tide-mill.jsonl';

/** @param promptTokens of the prompt, the end-of-text token before it included */
export async function loadWorkload(promptTokens: number): Promise<Workload> {
  const fetched = async (path: string): Promise<Response> => {
    const response = await fetch(path);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response;
  };
  const text = async (path: string): Promise<string> => (await fetched(path)).text();
  const { model: config } = parsePackConfig(await text(`${PACK}/config.json`));
  const file = await openTensorFile(await (await fetched(`${PACK}/slm.safetensors`)).blob(), 'slm.safetensors');
  const weights = new Map<string, Float32Array<ArrayBuffer>>();
  for (const { name } of modelWeights(config)) weights.set(name, await file.readFloats(name));
  const tokenizerJson = await text(`${PACK}/tokenizer.json`);
  const tokenizer = createTokenizer(JSON.parse(tokenizerJson), JSON.parse(await text(`${PACK}/tokenizer_config.json`)));
  const [first] = (await text(SAMPLE)).split('\n');
  const prompt = [tokenizer.endOfText, ...tokenizer.encode((JSON.parse(first) as { text: string }).text)].slice(0, promptTokens);
  if (prompt.length < promptTokens) throw new Error(`The sample's first document has ${prompt.length} tokens, not ${promptTokens}`);
  return { config, weights, prompt, endOfText: tokenizer.endOfText, tokenizerJson, decode: (ids) => tokenizer.decode(ids) };
}
