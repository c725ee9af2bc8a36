// One run of a method from its first phase to its test figures: trains the phases, takes turns on the GPU with other runs, validates, keeps a checkpoint from
// which it can be taken up again, and keeps its record.
import type { ModelConfig } from '../config/modelConfig.ts';
import type { RunRecord, RunTestFigure } from '../config/runRecord.ts';
import type { EvaluationText } from '../data/windows.ts';
import { weightsHash } from '../formats/weightsHash.ts';
import type { Gpu } from '../gpu/device.ts';
import type { MethodPhases, PhaseName, PhaseOutcome, PhaseRequest } from '../methods/method.ts';
import { createParameterTable, hostTensors } from '../model/parameters.ts';
import { SmallModel } from '../model/smallModel.ts';
import { tuneKernels } from '../model/tuneKernels.ts';
import type { RunCheckpoint } from '../runs/runCheckpoint.ts';
import type { RunParts } from '../runs/runStore.ts';
import type { EvaluationResult } from '../training/evaluation.ts';
import { evaluateText } from '../training/evaluation.ts';
import { Phase } from '../training/phase.ts';
import { tuneTrainee } from '../training/trainee.ts';
import { CheckpointPace } from './checkpointPace.ts';
import { testFigure } from './figures.ts';
import type { GpuShare } from './gpuShare.ts';
import type { RunCompletion } from './runSample.ts';
import type { RunControl } from './runControl.ts';
import type { RunRecorder } from './runRecorder.ts';

/** Name of a phase in checkpoints: the same phase of a run taken up again has the same one. */
export const phaseKey = (index: number, name: PhaseName): string => `${index}.${name}`;

export interface MethodRunSurroundings {
  /** With a ledger of the run's own, so that its peak can be told from the others'. */
  readonly gpu: Gpu;
  readonly share: GpuShare;
  readonly control: RunControl;
  /** Held-out text in windows of the run's length. */
  readonly validation: EvaluationText;
  readonly test: EvaluationText;
  /** Stores record and parts. A failure to store is told, and training goes on. */
  readonly keep: (parts: RunParts) => Promise<void>;
  /** How much of what it may use the run has used, from 0: who has used least goes next. */
  readonly usedShare: () => number;
  /** Whether this share of its budget is used up. */
  readonly isSpent: (share: number) => boolean;
  /** Text by the run's model, and its speed. */
  readonly complete: (model: ModelConfig, weights: Float32Array) => Promise<RunCompletion>;
  readonly onStep: (step: RunStep) => void;
  /** The record changed: a validation, a new phase, test figures. */
  readonly onChange: () => void;
}

export interface RunStep {
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
  readonly tokensPerSecond: number;
}

export class MethodRun {
  private phaseIndex = 0;
  /** Results of phases that later ones need, so that a run taken up again need not repeat them. */
  private readonly outcomes = new Map<string, PhaseOutcome>();
  private readonly checkpoints = new CheckpointPace();

  constructor(
    private readonly recorder: RunRecorder,
    private readonly around: MethodRunSurroundings,
    private takenUp?: RunCheckpoint,
  ) {}

  /** Trains until the method is done, its budget is used or it is stopped, and tests the result. @throws NotFiniteError, UserError, or whatever the device says when it is lost */
  async go(phases: MethodPhases, signal: AbortSignal): Promise<RunRecord> {
    let next = await phases.next();
    let last: PhaseRequest | undefined;
    while (!next.done) {
      last = next.value;
      next = await phases.next(await this.outcomeOf(last, signal));
    }
    const { model } = last ?? { model: undefined };
    if (!model) throw new Error('a method has at least one phase');
    await this.testBoth(last as PhaseRequest, next.value, signal);
    // Alone on the GPU for its moment: the speed would be the race's otherwise. Not part of the cost.
    const { sample, deployed } = await this.around.share.turn(() => 0, () => this.around.complete(model, (next.value as PhaseOutcome).weights));
    this.recorder.change({ samples: [sample], deployed });
    this.recorder.end('finished');
    await this.around.keep({ bestWeights: this.namedWeights(last as PhaseRequest, next.value.weights) });
    this.around.onChange();
    return this.recorder.record;
  }

  /** A finished phase of a run that was taken up again is answered from its checkpoint. */
  private async outcomeOf(request: PhaseRequest, signal: AbortSignal): Promise<PhaseOutcome> {
    const key = phaseKey(this.phaseIndex++, request.name);
    const stored = this.takenUp?.otherWeights?.[key];
    if (stored) {
      const outcome = { weights: stored, validationLoss: NaN, steps: this.recorder.record.phases[this.phaseIndex - 1].steps };
      this.outcomes.set(key, outcome);
      return outcome;
    }
    const outcome = await this.train(request, key, signal);
    if (request.name !== 'candidate') this.outcomes.set(key, outcome);
    return outcome;
  }

  private async train(request: PhaseRequest, key: string, signal: AbortSignal): Promise<PhaseOutcome> {
    const { gpu, share, control, validation, usedShare, onChange } = this.around;
    const { model, settings, weights, windows, judged, name, teacher, upTo = 1 } = request;
    const checkpoint = this.takenUp?.phase === key ? this.takenUp : undefined;
    this.takenUp = checkpoint ? undefined : this.takenUp;
    await tuneTrainee(gpu, model, settings);
    if (teacher) await tuneKernels(gpu, teacher.model, settings, { train: false });
    const phase = await Phase.create(gpu, { model, weights, windows, validation, settings, judged, teacher }, checkpoint);
    this.recorder.beginPhase(name, model, settings, teacher?.model, checkpoint !== undefined);
    if (name === 'fineTuning' && phase.model.storage === 'f16') this.recorder.note({ storage: phase.model.storage });
    let validationLoss = NaN;
    let bestLoss = checkpoint?.stopping.bestLoss ?? Infinity;
    try {
      onChange();
      for (;;) {
        if (phase.isEvaluationDue) {
          const result = await share.turn(usedShare, () => this.validate(phase, signal));
          validationLoss = result.loss;
          bestLoss = Math.min(bestLoss, result.loss);
          onChange();
        }
        if (phase.isOver || this.around.isSpent(upTo) || !(await control.mayStep())) break;
        await share.turn(usedShare, () => this.step(phase));
        if (this.checkpoints.isDue) await this.checkpoints.take(() => this.checkpoint(phase, key));
      }
      if (!phase.isEvaluated) {
        const result = await share.turn(usedShare, () => this.validate(phase, signal));
        validationLoss = result.loss;
        bestLoss = Math.min(bestLoss, result.loss);
      }
      if (!judged) await phase.keepLast();
      return { weights: phase.bestWeights, validationLoss: judged ? bestLoss : validationLoss, steps: phase.stepsTaken };
    } catch (error) {
      // What was learnt so far stays with the run, whatever stopped it.
      if (judged && phase.bestStep > 0 && name === 'fineTuning') await this.around.keep({ bestWeights: this.namedWeights(request, phase.bestWeights) });
      throw error;
    } finally {
      phase.destroy();
    }
  }

  private async step(phase: Phase): Promise<void> {
    const started = performance.now();
    const { loss, gradientNorm, learningRate } = await phase.step();
    const seconds = (performance.now() - started) / 1000;
    this.recorder.stepped(phase.tokensPerStep, loss, seconds, this.around.gpu.buffers.peakBytes);
    this.around.onStep({ step: this.recorder.stepsTaken, loss, gradientNorm, learningRate, tokensPerSecond: phase.tokensPerStep / seconds });
  }

  private async validate(phase: Phase, signal: AbortSignal): Promise<EvaluationResult> {
    const started = performance.now();
    const { result } = await phase.evaluate(signal);
    this.recorder.evaluated(result.loss, result.tokens, (performance.now() - started) / 1000);
    return result;
  }

  private async checkpoint(phase: Phase, key: string): Promise<void> {
    const otherWeights = Object.fromEntries([...this.outcomes].map(([name, { weights }]) => [name, weights]));
    await this.around.keep({ checkpoint: { phase: key, ...(await phase.checkpoint()), otherWeights } });
  }

  /** The start and the result of the last phase on the test documents. */
  private async testBoth({ model, settings, weights }: PhaseRequest, outcome: PhaseOutcome, signal: AbortSignal): Promise<void> {
    const { gpu, test } = this.around;
    const table = createParameterTable(model);
    const evaluator = await SmallModel.create(gpu, model, settings, { train: false });
    const figureOf = async (arena: Float32Array): Promise<RunTestFigure> => {
      await evaluator.loadWeights(arena);
      return testFigure(await evaluateText(evaluator, test, { signal }), weightsHash(hostTensors(table, arena)));
    };
    try {
      const before = await this.around.share.turn(() => 0, () => figureOf(weights));
      const after = await this.around.share.turn(() => 0, () => figureOf(outcome.weights));
      this.recorder.change({ test: { before, after }, startingWeightsHash: before.weightsHash });
    } finally {
      evaluator.destroy();
    }
  }

  private namedWeights({ model }: PhaseRequest, arena: Float32Array): RunParts['bestWeights'] {
    const tensors = hostTensors(createParameterTable(model), arena);
    const hash = weightsHash(tensors);
    this.recorder.change({ bestWeightsHash: hash });
    return { hash, tensors };
  }
}
