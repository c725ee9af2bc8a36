// The page of `node bench/projection.mjs`: one expert of the bundled pack, projected from the file and from slices that already lie on the GPU.
import { BufferScope } from '../../src/gpu/buffers.ts';
import { openGpu } from '../../src/gpu/device.ts';
import { Readback } from '../../src/gpu/readback.ts';
import { Arena } from '../../src/model/arena.ts';
import { createParameterTable } from '../../src/model/parameters.ts';
import { Projector } from '../../src/model/projection.ts';
import { openPack } from '../../src/pack/openPack.ts';
import { median } from '../step/comparison.ts';

export interface ProjectionBenchReport {
  readonly adapter: string;
  /** Bytes of T. */
  readonly bytes: number;
  /** Fetching, verifying and caching the whole pack on a first visit. */
  readonly openMilliseconds: number;
  /** Milliseconds of every repeat, the first (compiling) one included. */
  readonly repeats: Readonly<Record<Kind, readonly number[]>>;
  readonly medians: Readonly<Record<Kind, number>>;
}

/** T read and dropped; projected from resident slices; read and projected. */
type Kind = 'reading' | 'resident' | 'streamed';

declare global {
  interface Window {
    __projectionBench: () => Promise<ProjectionBenchReport>;
  }
}

const REPEATS = 8;

window.__projectionBench = async () => {
  const gpu = await openGpu();
  const opening = performance.now();
  const pack = await openPack({ kind: 'url', url: new URL('/packs/nano/', location.href).href });
  const openMilliseconds = performance.now() - opening;
  const table = createParameterTable(pack.model);
  const weights = Arena.create(new BufferScope(gpu.buffers, 'bench'), 'weights', table, gpu.device.limits);
  const done = new Readback(gpu, 'bench.done', 4);
  const streaming = await Projector.create(gpu, pack.model, pack.projectedNetwork, table, pack.pn);
  const resident = await Projector.create(gpu, pack.model, pack.projectedNetwork, table, pack.pn);
  if (!(await resident.keepResident(Infinity))) throw new Error('The slices did not stay on the GPU');
  const slices = [...pack.pn.tensors.keys()].filter((name) => name.endsWith('.T'));
  const vector = streaming.expertVector(0);
  const finish = (): Promise<ArrayBuffer> => done.read({ ...weights.parts[0], size: 4 });
  const kinds: Record<Kind, () => Promise<unknown>> = {
    reading: async () => {
      for (const name of slices) await pack.pn.readBytes(name);
    },
    resident: () => resident.reproject(vector, weights).then(finish),
    streamed: () => streaming.reproject(vector, weights).then(finish),
  };
  const repeats: Record<Kind, number[]> = { reading: [], resident: [], streamed: [] };
  for (let i = 0; i < REPEATS; i++) {
    for (const kind of ['reading', 'resident', 'streamed'] as const) {
      const start = performance.now();
      await kinds[kind]();
      repeats[kind].push(performance.now() - start);
    }
  }
  const of = (kind: Kind): number => median(repeats[kind].slice(1));
  return {
    adapter: gpu.adapter.name,
    bytes: streaming.sliceBytesTotal,
    openMilliseconds,
    repeats,
    medians: { reading: of('reading'), resident: of('resident'), streamed: of('streamed') },
  };
};
