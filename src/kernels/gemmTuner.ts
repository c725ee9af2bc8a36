// Finds the fastest matrix-multiplication variant for each shape on the device at hand. A variant must first agree with the plain one: drivers and
// lane layouts differ, so speed is only asked of what computes the right numbers.
import { createRandom } from '../core/random.ts';
import { BufferScope, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps, type DispatchOp } from '../gpu/dispatch.ts';
import { Readback } from '../gpu/readback.ts';
import { usesBarriers } from './barriers.ts';
import { chosenVariant, gemm, rememberVariant, supportedVariants, type GemmProblem, type GemmVariant } from './gemm.ts';
import { OpTimer, repeatsFor } from './opTimer.ts';

export interface GemmMeasurement {
  readonly variant: GemmVariant;
  /** Time of one multiplication: the least of the interleaved repeats; NaN when not timed (not eligible, or no time left). */
  readonly milliseconds: number;
  readonly gigaflopsPerSecond: number;
  /** Largest difference from the plain variant over its largest value; Infinity when anything is NaN. */
  readonly relativeError: number;
  readonly eligible: boolean;
}

export interface TunedGemm {
  readonly problem: GemmProblem;
  readonly winner: GemmVariant;
  /** Empty when the budget ran out before this problem; the winner is then the untuned choice. */
  readonly measurements: readonly GemmMeasurement[];
}

const NUMERICS_GATE = 1e-4;
/** Of a product stored as halves, which two orders of summation may round to neighbours, 2^-10 apart. */
const NUMERICS_GATE_OF_HALVES = 2 ** -10 + NUMERICS_GATE;
const MAX_ROUNDS = 7;
/** NaN as a float, and as two halves. */
const NOT_NUMBERS = 0x7fff_7fff;
/** A variant this much slower than the best after a round is not timed again. */
const HOPELESS = 1.5;

/** Largest |actual - expected| over the largest |expected|; Infinity as soon as anything is NaN. */
export function differenceFrom(expected: Float32Array, actual: Float32Array): number {
  let scale = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i] - expected[i]);
    if (!(difference < Infinity)) return Infinity;
    worst = Math.max(worst, difference);
    scale = Math.max(scale, Math.abs(expected[i]));
  }
  return worst === 0 ? 0 : worst / scale;
}

interface Candidate {
  readonly variant: GemmVariant;
  readonly op: DispatchOp;
  readonly relativeError: number;
  readonly eligible: boolean;
  milliseconds: number;
}

async function tuneOne(gpu: Gpu, timer: OpTimer, problem: GemmProblem, deadline: number): Promise<TunedGemm> {
  const { M, N, K, storage = {} } = problem;
  const gate = storage.c ? NUMERICS_GATE_OF_HALVES : NUMERICS_GATE;
  const timeIsUp = (): boolean => performance.now() >= deadline;
  const scope = new BufferScope(gpu.buffers, 'gemmTuner');
  const readback = new Readback(gpu, 'gemmTuner.readback', 4 * M * N);
  try {
    const random = createRandom(M + 3 * N + 5 * K);
    const values = (length: number): Float32Array => Float32Array.from({ length }, () => 2 * random.next() - 1);
    const upload = (name: 'a' | 'b', length: number): BufferView => (storage[name] ? scope.uploadHalves(name, values(length)) : scope.upload(name, values(length)));
    const buffers = { a: upload('a', M * K), b: upload('b', N * K), c: scope.numbers('c', M * N, storage.c ?? 'f32') };
    const run = async (variant: GemmVariant): Promise<{ op: DispatchOp; result: Float32Array }> => {
      // Left-over numbers of the variant before would hide outputs that this one never writes.
      gpu.device.queue.writeBuffer(buffers.c.buffer, 0, new Uint32Array(buffers.c.size / 4).fill(NOT_NUMBERS));
      const op = await gemm(gpu, buffers, { ...problem, accumulate: false, variant });
      submitOps(gpu, 'gemmTuner', [op]);
      return { op, result: await readback.readFloats(buffers.c) };
    };

    const untuned = chosenVariant(gpu, problem);
    const expected = await run('plain');
    const candidates: Candidate[] = [];
    const names = supportedVariants(gpu, problem)
      .filter(({ hasBarriers }) => !hasBarriers || usesBarriers(gpu))
      .map(({ name }) => name);
    // The likely winners first and the baseline, slow and already run, last: a short budget is spent where it matters.
    const order = (name: GemmVariant): number => (name === untuned ? 0 : name.startsWith('block-') ? 1 : name === 'plain' ? 3 : 2);
    for (const variant of names.sort((x, y) => order(x) - order(y))) {
      if (timeIsUp()) break;
      const { op, result } = variant === 'plain' ? expected : await run(variant);
      const relativeError = differenceFrom(expected.result, result);
      candidates.push({ variant, op, relativeError, eligible: relativeError <= gate, milliseconds: NaN });
    }

    const best = (): number => candidates.reduce((least, { milliseconds }) => (milliseconds < least ? milliseconds : least), Infinity);
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const limit = HOPELESS * best();
      for (const candidate of candidates) {
        const hopeless = round > 0 && !(candidate.milliseconds <= limit);
        if (!candidate.eligible || hopeless || timeIsUp()) continue;
        const repeats = round === 0 ? 1 : repeatsFor(candidate.milliseconds);
        const milliseconds = (await timer.milliseconds([candidate.op], repeats)) / repeats;
        // The first round times a single dispatch with its overhead: good enough to choose repeats and drop the hopeless.
        candidate.milliseconds = round <= 1 ? milliseconds : Math.min(candidate.milliseconds, milliseconds);
      }
    }

    const measurements = candidates.map(({ op: _op, ...measured }): GemmMeasurement => ({
      ...measured,
      gigaflopsPerSecond: (2 * M * N * K) / measured.milliseconds / 1e6,
    }));
    const winner = candidates.find(({ milliseconds }) => milliseconds === best());
    if (winner) rememberVariant(gpu, problem, winner.variant);
    return { problem, winner: winner?.variant ?? untuned, measurements };
  } finally {
    scope.destroy();
    readback.destroy();
  }
}

/**
 * Times the supported variants of each problem (on software adapters those without barriers) and remembers the winners for `gemm`. Takes about `budgetMs` at most (a dispatch that has begun is
 * waited for), shared evenly; problems that get no time keep the untuned choice.
 */
export async function tuneGemm(gpu: Gpu, problems: readonly GemmProblem[], { budgetMs }: { readonly budgetMs: number }): Promise<TunedGemm[]> {
  const end = performance.now() + budgetMs;
  const timer = new OpTimer(gpu);
  const tuned: TunedGemm[] = [];
  try {
    for (const [index, problem] of problems.entries()) {
      const now = performance.now();
      const measured = now < end
        ? await tuneOne(gpu, timer, problem, now + (end - now) / (problems.length - index))
        : { problem, winner: chosenVariant(gpu, problem), measurements: [] };
      tuned.push(measured);
    }
  } finally {
    timer.destroy();
  }
  return tuned;
}
