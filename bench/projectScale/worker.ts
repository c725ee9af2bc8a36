// The worker of `node bench/projectScale.mjs`, as the studio's engine is one: opens the chosen file as a pack's projected network, under WebGPU's default limits, and projects experts of it.
import type { EngineChoice } from '../../src/config/engineChoice.ts';
import { layerWeight, mlpShape } from '../../src/config/modelConfig.ts';
import { decodeFloat16 } from '../../src/core/float16.ts';
import { openTensorFile } from '../../src/formats/tensorFile.ts';
import { BufferScope } from '../../src/gpu/buffers.ts';
import { submitOps } from '../../src/gpu/dispatch.ts';
import { readFloats } from '../../src/gpu/readback.ts';
import { Arena } from '../../src/model/arena.ts';
import { createParameterTable, slotOf } from '../../src/model/parameters.ts';
import { coefficientsOf, Projector } from '../../src/model/projection.ts';
import { openPackCache } from '../../src/pack/packCache.ts';
import { openWithDefaultLimits } from '../../src/testing/limitedDevice.ts';
import { PAPER_NETWORK, PAPER_SMALL_MODEL } from '../../src/testing/paperModel.ts';

export interface OpenedNetwork {
  readonly adapter: string;
  /** Bytes of all buffers: the small model's weights and the projector's own. */
  readonly gpuBytes: number;
}

export interface ScaleProjection {
  readonly seconds: number;
  /** Bytes read from the file: slices and shared weights. */
  readonly bytesRead: number;
  readonly gpuPeakBytes: number;
  /** Largest |weight - float64| over the largest |float64| in two rows of each kind of matrix. */
  readonly relativeError: number;
}

export interface ProjectScale {
  /** Makes everything that stays, and writes to all of it, so that its memory is really taken. `place`: reads the chosen file itself, or a copy in the page's storage as packs from an address are kept. */
  open(file: File, place: NetworkPlace, engine: Exclude<EngineChoice, 'auto'>): Promise<OpenedNetwork>;
  /** Reads all slices and drops them: what the browser's own reading takes. */
  read(): Promise<{ readonly seconds: number; readonly bytesRead: number }>;
  project(expert: number): Promise<ScaleProjection>;
}

export type NetworkPlace = 'dropped' | 'stored';

const COPY_BYTES = 16 << 20;

/** Puts the file where packs from an address are kept. */
async function stored(file: File): Promise<File> {
  const writer = await (await openPackCache()).create('0'.repeat(64), file.size);
  for (let start = 0; start < file.size; start += COPY_BYTES) await writer.write(new Uint8Array(await file.slice(start, start + COPY_BYTES).arrayBuffer()));
  return writer.commit();
}

async function openNetwork(file: File, engine: Exclude<EngineChoice, 'auto'>) {
  const gpu = await openWithDefaultLimits(engine);
  const network = await openTensorFile(file, 'pn.safetensors');
  const table = createParameterTable(PAPER_SMALL_MODEL);
  const arena = Arena.create(new BufferScope(gpu.buffers, 'bench'), 'weights', table, gpu.device.limits);
  const projector = await Projector.create(gpu, PAPER_SMALL_MODEL, PAPER_NETWORK, table, network);
  submitOps(gpu, 'clear', arena.parts.map((view) => ({ kind: 'clear', label: 'weights', view })));
  await gpu.device.queue.onSubmittedWorkDone();
  return { gpu, network, table, arena, projector };
}

let opened: ReturnType<typeof openNetwork>;

/** Rows of some projected matrices against float64, straight from the file. */
async function errorOf(expert: number): Promise<number> {
  const { gpu, network, table, arena, projector } = await opened;
  let worst = 0;
  for (const [layer, projection] of [[0, 'gate_proj'], [3, 'up_proj'], [6, 'down_proj']] as const) {
    const prefix = layerWeight(layer, `mlp.${projection}`);
    const [out, columns] = mlpShape(PAPER_SMALL_MODEL, projection);
    const coefficients = coefficientsOf(projector.expertVector(expert), await network.readFloats(`${prefix}.M`), PAPER_NETWORK);
    for (const row of [0, out - 1]) {
      const expected = new Float64Array(columns);
      for (let r = 0; r < PAPER_NETWORK.h; r++) {
        const start = 2 * (r * out + row) * columns;
        const slice = decodeFloat16(new Uint16Array((await network.readBytes(`${prefix}.T`, start, start + 2 * columns)).buffer));
        for (let i = 0; i < columns; i++) expected[i] += coefficients[r] * slice[i];
      }
      const { offset } = slotOf(table, `${prefix}.weight`);
      const actual = await readFloats(gpu, arena.range(offset + row * columns, columns));
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (let i = 0; i < columns; i++) {
        const error = Math.abs(actual[i] - expected[i]) / largest;
        if (!(error <= worst)) worst = Number.isNaN(error) ? Infinity : error;
      }
    }
  }
  return worst;
}

const functions: ProjectScale = {
  async open(file, place, engine) {
    opened = openNetwork(place === 'stored' ? await stored(file) : file, engine);
    const { gpu } = await opened;
    return { adapter: gpu.adapter.name, gpuBytes: gpu.buffers.bytes };
  },
  async read() {
    const { network } = await opened;
    const memory = new Uint8Array(32 << 20);
    const start = performance.now();
    let bytesRead = 0;
    for (const [name, { byteLength }] of network.tensors) {
      if (!name.endsWith('.T')) continue;
      for (let done = 0; done < byteLength; done += memory.length) await network.readInto(name, done, memory.subarray(0, Math.min(memory.length, byteLength - done)));
      bytesRead += byteLength;
    }
    return { seconds: (performance.now() - start) / 1000, bytesRead };
  },
  async project(expert) {
    const { gpu, network, arena, projector } = await opened;
    const start = performance.now();
    const sliceBytes = await projector.project(projector.expertVector(expert), arena);
    await gpu.device.queue.onSubmittedWorkDone();
    const seconds = (performance.now() - start) / 1000;
    const sharedBytes = [...network.tensors].reduce((sum, [name, { byteLength }]) => sum + (name.endsWith('.weight') ? byteLength : 0), 0);
    return { seconds, bytesRead: sliceBytes + sharedBytes, gpuPeakBytes: gpu.buffers.peakBytes, relativeError: await errorOf(expert) };
  },
};

addEventListener('message', ({ data: [id, name, args] }: MessageEvent<[number, keyof ProjectScale, unknown[]]>) => {
  const call = functions[name] as (...args: unknown[]) => Promise<unknown>;
  call(...args).then((result) => postMessage([id, result]), (error) => postMessage([id, undefined, String(error)]));
});
