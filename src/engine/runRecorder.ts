// Keeps a run's record up to date while it goes on: curve, phases, cost, notes. What a step means for the record is here; what it computes is not.
import { evaluationFlopsPerToken, trainingFlopsPerToken } from '../config/trainingFlops.ts';
import type { ModelConfig } from '../config/modelConfig.ts';
import type { RunConfig } from '../config/runConfig.ts';
import type { RunCost, RunNotes, RunPhase, RunRecord, RunState } from '../config/runRecord.ts';
import type { PhaseName } from '../methods/method.ts';
import { appendCurvePoint } from '../runs/boundedCurve.ts';

/** A step of training, or the time and operations of something else. */
export interface Spent {
  readonly tokens: number;
  readonly flops: number;
  readonly seconds: number;
}

const ON_CURVE: ReadonlySet<string> = new Set<PhaseName>(['pretraining', 'fineTuning']);

export class RunRecorder {
  private lossSum = 0;
  private lossSteps = 0;
  private evaluationFlops = 0;
  private trainingFlops = 0;

  constructor(private present: RunRecord) {}

  get record(): RunRecord {
    return this.present;
  }

  /** Optimizer steps so far, over all phases. */
  get stepsTaken(): number {
    return this.present.phases.reduce((sum, { steps }) => sum + steps, 0);
  }

  change(change: Partial<RunRecord>): void {
    this.present = { ...this.present, ...change, updatedAt: new Date().toISOString() };
  }

  note(notes: RunNotes): void {
    this.change({ notes: { ...this.present.notes, ...notes } });
  }

  /** Begins a phase; its model decides what a token costs from here on. A phase that is taken up again is already the last one. */
  beginPhase(name: PhaseName, model: ModelConfig, { seqLen }: RunConfig, teacher: ModelConfig | undefined, isTakenUp: boolean): void {
    this.trainingFlops = trainingFlopsPerToken(model, seqLen) + (teacher ? evaluationFlopsPerToken(teacher, seqLen) : 0);
    this.evaluationFlops = evaluationFlopsPerToken(model, seqLen);
    this.forgetLosses();
    if (!isTakenUp) this.change({ phases: [...this.present.phases, { name, steps: 0, tokens: 0, flops: 0, seconds: 0 }] });
  }

  stepped(tokens: number, loss: number, seconds: number, gpuBytes: number): void {
    this.lossSum += loss;
    this.lossSteps++;
    this.add({ tokens, flops: tokens * this.trainingFlops, seconds }, 1, gpuBytes);
  }

  /** Adds a point to the curve: the validation loss and the mean training loss since the point before. Validating costs, too. */
  evaluated(validationLoss: number, tokens: number, seconds: number): void {
    this.add({ tokens: 0, flops: tokens * this.evaluationFlops, seconds }, 0, 0);
    // A teacher's or a candidate's losses are not those of the model that the run leaves.
    if (!ON_CURVE.has(this.present.phases.at(-1)?.name ?? '')) return this.forgetLosses();
    const { tokens: trained, flops, seconds: spent } = this.present.cost;
    const trainLoss = this.lossSteps > 0 ? this.lossSum / this.lossSteps : undefined;
    this.change({ curve: appendCurvePoint(this.present.curve, { step: this.stepsTaken, tokens: trained, seconds: spent, flops, trainLoss, validationLoss }) });
    this.forgetLosses();
  }

  /** What was spent outside of phases: choosing an expert. */
  spent(spent: Spent): void {
    this.change({ cost: sum(this.present.cost, spent, 0) });
  }

  end(state: RunState, error?: string): void {
    this.change({ state, ...(error === undefined ? {} : { error }) });
  }

  private add(spent: Spent, steps: number, gpuBytes: number): void {
    const { phases, cost } = this.present;
    const last = phases[phases.length - 1];
    const grown: RunPhase = { ...last, steps: last.steps + steps, tokens: last.tokens + spent.tokens, flops: last.flops + spent.flops, seconds: last.seconds + spent.seconds };
    this.change({ phases: [...phases.slice(0, -1), grown], cost: sum(cost, spent, gpuBytes) });
  }

  private forgetLosses(): void {
    this.lossSum = 0;
    this.lossSteps = 0;
  }
}

const sum = (cost: RunCost, { tokens, flops, seconds }: Spent, gpuBytes: number): RunCost => ({
  tokens: cost.tokens + tokens, flops: cost.flops + flops, seconds: cost.seconds + seconds, peakGpuBytes: Math.max(cost.peakGpuBytes, gpuBytes),
});
