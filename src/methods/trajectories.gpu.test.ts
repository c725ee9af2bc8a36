// The golden trajectories: every method of the paper, driven by its own code from the bundled pack's files, takes the steps that PyTorch took from the same files
// on the same windows in float64 (pretrain/golden/write_method_trajectories.py). Phases are run and validated as the engine does it.
import { beforeAll, describe, expect, it } from 'vitest';
import type { MethodChoice } from '../config/method.ts';
import { DEFAULT_RUN_CONFIG, type RunConfig } from '../config/runConfig.ts';
import type { RunNotes } from '../config/runRecord.ts';
import type { EvaluationText } from '../data/windows.ts';
import { openTensorFile } from '../formats/tensorFile.ts';
import type { Gpu } from '../gpu/device.ts';
import { randomWeights } from '../model/initialization.ts';
import { createParameterTable, hostTensors, type ParameterTable } from '../model/parameters.ts';
import { readArena } from '../model/weightsFile.ts';
import { openPack, type Pack } from '../pack/openPack.ts';
import { expectClose } from '../testing/allclose.ts';
import description from '../testing/fixtures/golden/method-trajectories.json';
import { goldenBytes } from '../testing/golden.ts';
import { nanoPack } from '../testing/nanoPack.ts';
import { testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { Phase, type WindowSource } from '../training/phase.ts';
import type { MethodContext, PhaseOutcome, PhaseRequest } from './method.ts';
import { phasesOf } from './phasesOf.ts';

/** Relative, of every step's loss. Without weight decay it would be 4e-4, and 4e-5 with a tenth less of it. */
const TOLERANCE = 1e-5;
/** Norms add up the rounding of all gradients. */
const NORM_TOLERANCE = 1e-4;
const SETTINGS: RunConfig = { ...DEFAULT_RUN_CONFIG, ...description.settings, schedule: 'cosine' };
const { seqLen, steps } = SETTINGS;
const ROW = seqLen + 1;

type GoldenRun = (typeof description)['runs'][number];
type GoldenPhase = GoldenRun['phases'][number];

let gpu: Gpu;
let pack: Pack;
let table: ParameterTable;
/** Windows of seqLen tokens and one more, end to end. */
let windows: Record<'domain' | 'reservoir' | 'validation', Uint32Array>;

beforeAll(async () => {
  gpu = await testGpu();
  pack = await openPack(await nanoPack());
  table = createParameterTable(pack.model);
  const file = await openTensorFile(new Blob([await goldenBytes('method-trajectories')]), 'method-trajectories.safetensors');
  const read = async (name: string): Promise<Uint32Array> => new Uint32Array((await file.readBytes(name)).buffer);
  windows = { domain: await read('domain'), reservoir: await read('reservoir'), validation: await read('validation') };
});

/** The rows one after the other, over and over. */
function replay(rows: Uint32Array): WindowSource {
  return {
    windowsConsumed: 0,
    seek(windowsConsumed) {
      Object.assign(this, { windowsConsumed });
    },
    next(count, tokens, targets) {
      for (let row = 0; row < count; row++) {
        const first = ((this.windowsConsumed + row) * ROW) % rows.length;
        tokens.set(rows.subarray(first, first + seqLen), row * seqLen);
        targets.set(rows.subarray(first + 1, first + ROW), row * seqLen);
      }
      Object.assign(this, { windowsConsumed: this.windowsConsumed + count });
    },
  };
}

function validationText(): EvaluationText {
  const rows = windows.validation;
  const each = Array.from({ length: rows.length / ROW }, (_, i) => ({
    tokens: rows.slice(i * ROW, i * ROW + seqLen), targets: rows.slice(i * ROW + 1, (i + 1) * ROW), documents: new Uint32Array(seqLen),
  }));
  return { windows: each, numDocuments: 1, numTokens: each.length * seqLen, numBytes: 0 };
}

function contextOf(notes: RunNotes[]): MethodContext {
  return {
    gpu, pack, table, settings: SETTINGS, signal: new AbortController().signal, recalled: {},
    plainWeights: () => readArena(pack.slm, table),
    histogram: () => Promise.resolve(description.histogram),
    domainWindows: () => replay(windows.domain),
    note: (added) => notes.push(added),
    spend: () => undefined,
    progress: () => undefined,
  };
}

interface Trained {
  readonly name: string;
  readonly losses: readonly number[];
  readonly gradientNorms: readonly number[];
  readonly validation: readonly number[];
}

/** As engine/methodRun.ts: validated before the first step and after the last, which chooses the weights of a phase that is judged. */
async function train({ name, ...request }: PhaseRequest): Promise<{ trained: Trained; outcome: PhaseOutcome }> {
  const trained = { name, losses: [] as number[], gradientNorms: [] as number[], validation: [] as number[] };
  const phase = await Phase.create(gpu, { ...request, validation: validationText() });
  try {
    for (;;) {
      if (phase.isEvaluationDue) trained.validation.push((await phase.evaluate()).result.loss);
      if (phase.isOver) break;
      const { loss, gradientNorm } = await phase.step();
      trained.losses.push(loss);
      trained.gradientNorms.push(gradientNorm);
    }
    if (!request.judged) await phase.keepLast();
    return { trained, outcome: { weights: phase.bestWeights, validationLoss: request.judged ? Math.min(...trained.validation) : trained.validation.at(-1)!, steps: phase.stepsTaken } };
  } finally {
    phase.destroy();
  }
}

/** Largest |actual / expected - 1|; NaN where any number is NaN or missing. */
function largestDeviation(actual: readonly number[], expected: readonly number[]): number {
  if (actual.length !== expected.length) return NaN;
  return Math.max(...actual.map((value, i) => Math.abs(value / expected[i] - 1)));
}

function expectTrajectory(method: string, { name, losses, gradientNorms, validation }: Trained, golden: GoldenPhase): void {
  const found = { loss: largestDeviation(losses, golden.losses), gradientNorm: largestDeviation(gradientNorms, golden.gradientNorms), validation: largestDeviation(validation, golden.validation) };
  console.info(`${method}, ${name}: loss ${found.loss.toExponential(1)}, gradient norm ${found.gradientNorm.toExponential(1)}, validation ${found.validation.toExponential(1)} off`);
  expect(golden.losses).toHaveLength(steps);
  expect(found.loss, `${method}, ${name}: loss`).toBeLessThan(TOLERANCE);
  expect(found.validation, `${method}, ${name}: validation loss`).toBeLessThan(TOLERANCE);
  expect(found.gradientNorm, `${method}, ${name}: gradient norm`).toBeLessThan(NORM_TOLERANCE);
}

/** The studio's own draw from the reservoir is what PyTorch trained on. Leaves `source` where it began. */
function expectReservoirWindows(source: WindowSource): void {
  const count = windows.reservoir.length / ROW;
  const [tokens, targets] = [new Uint32Array(count * seqLen), new Uint32Array(count * seqLen)];
  source.next(count, tokens, targets);
  for (let row = 0; row < count; row++) {
    const drawn = [...tokens.subarray(row * seqLen, (row + 1) * seqLen), targets[(row + 1) * seqLen - 1]];
    expect(drawn, `window ${row}`).toEqual([...windows.reservoir.subarray(row * ROW, (row + 1) * ROW)]);
  }
  source.seek(0);
}

const TITLED = description.runs.map((run) => [[run.choice.method, run.choice.strategy].filter(Boolean).join(' '), run] as const);

describe('loss trajectories from PyTorch', () => {
  it.each(TITLED)('%s', async (title, run) => {
    const notes: RunNotes[] = [];
    await withoutGpuErrors(gpu, async () => {
      const phases = phasesOf(run.choice as MethodChoice, contextOf(notes));
      let next = await phases.next();
      for (const golden of run.phases) {
        if (next.done) throw new Error(`${title} ended before its phase ${golden.name}`);
        expect(next.value.name).toBe(golden.name);
        if (golden.name === 'pretraining') expectReservoirWindows(next.value.windows);
        const { trained, outcome } = await train(next.value);
        expectTrajectory(title, trained, golden);
        next = await phases.next(outcome);
      }
      expect(next.done).toBe(true);
    });
    expect(notes.find(({ expert }) => expert)?.expert?.cluster).toBe(run.expert);
  });

  it('begins SLM-nopt with the weights that PyTorch begins with', () => {
    const weights = hostTensors(table, randomWeights(pack.model, table, SETTINGS.seed));
    for (const [name, ends] of Object.entries(description.randomWeights)) {
      const { data } = weights.get(name)!;
      expectClose(name, [data[0], data[data.length - 1]], ends, 1e-7);
    }
  });

  it('would tell each method from every other', () => {
    for (const [i, [title, run]] of TITLED.entries()) {
      for (const [otherTitle, other] of TITLED.slice(0, i)) {
        expect(largestDeviation(run.phases.at(-1)!.losses, other.phases.at(-1)!.losses), `${title} and ${otherTitle}`).toBeGreaterThan(100 * TOLERANCE);
      }
    }
  });
});
