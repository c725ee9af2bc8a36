// The golden runs: ten AdamW steps of a small model as PyTorch computed them in float64 (pretrain/golden/write_golden.py), stored as float32. Loads
// in Node and in the browser tests. Has its own reader, so that it does not trust the formats/ it helps to test.
import type { HostTensor, HostTensors } from '../core/tensor.ts';
import goldenDescription from './fixtures/golden/golden.json';
import goldenHead32Description from './fixtures/golden/golden-head32.json';

/** `golden`: 2 layers, 3 heads of 8, every step clipped. `golden-head32`: 1 layer, 1 head of 32, some steps clipped. */
export type GoldenName = 'golden' | 'golden-head32';

const DESCRIPTIONS: Record<GoldenName, typeof goldenDescription> = {
  golden: goldenDescription,
  'golden-head32': goldenHead32Description,
};

/** One golden run. A target of 0xFFFFFFFF is ignored. */
export interface Golden {
  /** Fits ModelConfig of config/modelConfig.ts. */
  readonly config: (typeof goldenDescription)['config'];
  /** Constant learning rate; weight decay on matrices only; gradients are scaled by min(1, clipNorm / norm). */
  readonly optimizer: (typeof goldenDescription)['optimizer'];
  readonly B: number;
  readonly T: number;
  /** Per step [B*T]. */
  readonly tokens: readonly Uint32Array[];
  readonly targets: readonly Uint32Array[];
  /** Before step 1. */
  readonly weights: HostTensors;
  /** Of step 1, [B*T, V]. */
  readonly logits: Float32Array;
  /** Of step 1, before clipping. */
  readonly gradients: HostTensors;
  /** Per step: mean over the targets that are not ignored, in nats, before the step's update. */
  readonly losses: readonly number[];
  /** Per step, over all weights, before clipping. */
  readonly gradientNorms: readonly number[];
  /** After the last step. */
  readonly finalWeights: HostTensors;
}

/** Loads a run in Node (file) or in the browser (fetch). @throws Error when the fixture is missing or damaged */
export async function loadGolden(name: GoldenName = 'golden'): Promise<Golden> {
  return parseGolden(await goldenBytes(name), name);
}

/** The bytes of a run's safetensors file, or of another golden file's (pretrain/golden/). */
export async function goldenBytes(name: GoldenName | 'projection' | 'distillation' | 'method-trajectories' = 'golden'): Promise<ArrayBuffer> {
  const url = new URL(`./fixtures/golden/${name}.safetensors`, import.meta.url);
  if (url.protocol === 'file:') {
    const { readFile } = await import('node:fs/promises');
    return new Uint8Array(await readFile(url)).buffer;
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`golden run ${name}: ${url.href} answered ${response.status}`);
  return response.arrayBuffer();
}

/** Reads a run from its safetensors bytes. @throws Error naming a tensor that is missing or has the wrong dtype or size */
export function parseGolden(headerAndBytes: ArrayBuffer, name: GoldenName = 'golden'): Golden {
  const { config, optimizer, B, T, losses, gradientNorms } = DESCRIPTIONS[name];
  const headerLength = Number(new DataView(headerAndBytes).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(headerAndBytes, 8, headerLength))) as Header;

  const tensor = <D extends keyof typeof ARRAYS>(key: string, dtype: D) => {
    const entry = header[key];
    if (!entry) throw new Error(`golden run ${name}: no tensor ${key}`);
    const [begin, end] = entry.data_offsets;
    const size = entry.shape.reduce((product, length) => product * length, 1);
    if (entry.dtype !== dtype || end - begin !== size * 4) throw new Error(`golden run ${name}: tensor ${key} is not ${size} values of ${dtype}`);
    const data = new ARRAYS[dtype](headerAndBytes, 8 + headerLength + begin, size);
    return { shape: entry.shape, data: data as InstanceType<(typeof ARRAYS)[D]> };
  };
  const group = (prefix: string): HostTensors => {
    const keys = Object.keys(header).filter((key) => key.startsWith(prefix));
    return new Map(keys.map((key): [string, HostTensor] => [key.slice(prefix.length), tensor(key, 'F32')]));
  };
  const perStep = (key: string): Uint32Array[] => {
    const { data } = tensor(key, 'I32');
    return losses.map((_, step) => data.subarray(step * B * T, (step + 1) * B * T));
  };
  return {
    config, optimizer, B, T, losses, gradientNorms,
    tokens: perStep('tokens'),
    targets: perStep('targets'),
    weights: group('initial/'),
    logits: tensor('logits', 'F32').data,
    gradients: group('gradient/'),
    finalWeights: group('final/'),
  };
}

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

/** I32 is read unsigned: PyTorch's ignored target -1 becomes 0xFFFFFFFF. */
const ARRAYS = { F32: Float32Array, I32: Uint32Array };
