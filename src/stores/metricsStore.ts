// The fast numbers of the current run. Events only append to decimated series and replace `latest`; whoever draws subscribes and
// throttles itself, so that a step costs the page next to nothing.
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { EngineClient } from '../client/engineClient.ts';
import type { EventOf } from '../protocol/events.ts';
import { DecimatedSeries } from './decimatedSeries.ts';

export interface RunSeries {
  /** Mean training loss per step, nats per token. */
  readonly trainingLoss: DecimatedSeries;
  readonly validationLoss: DecimatedSeries;
  readonly gradientNorm: DecimatedSeries;
  readonly learningRate: DecimatedSeries;
}

export interface MetricsState {
  readonly started?: EventOf<'train.started'>;
  readonly latest?: EventOf<'train.stepped'>;
  readonly lastEvaluation?: EventOf<'train.evaluated'>;
  readonly bestEvaluation?: EventOf<'train.evaluated'>;
  /** The last evaluations, oldest first, for the table beside the chart. */
  readonly evaluations: readonly EventOf<'train.evaluated'>[];
  /** Mutable; read it again when `revision` changes. */
  readonly series: RunSeries;
  /** Grows with every captured point. */
  readonly revision: number;
}

export type MetricsStore = StoreApi<MetricsState>;

export const EVALUATIONS_KEPT = 200;

const emptySeries = (): RunSeries => ({
  trainingLoss: new DecimatedSeries(),
  validationLoss: new DecimatedSeries(),
  gradientNorm: new DecimatedSeries(),
  learningRate: new DecimatedSeries(),
});

export function createMetricsStore(client: EngineClient): MetricsStore {
  const store = createStore<MetricsState>()(() => ({ evaluations: [], series: emptySeries(), revision: 0 }));
  const clear = (started?: EventOf<'train.started'>): void =>
    store.setState(({ revision }) => ({
      started,
      latest: undefined,
      lastEvaluation: undefined,
      bestEvaluation: undefined,
      evaluations: [],
      series: emptySeries(),
      revision: revision + 1,
    }));

  client.subscribe((event) => {
    switch (event.type) {
      case 'train.started':
        clear(event);
        // The curve begins where the run does: at the projected weights, measured on the same validation text.
        store.getState().series.validationLoss.append(0, 0, 0, event.projected.loss);
        break;
      // The curves of a run from other weights would mislead beside a new start.
      case 'model.projected':
      case 'data.loaded':
      case 'pack.loaded':
        clear();
        break;
      case 'train.stepped': {
        const { started, series, revision } = store.getState();
        if (event.runId !== started?.runId) break;
        series.trainingLoss.append(event.step, event.tokens, event.seconds, event.loss);
        // A skipped step has none.
        if (Number.isFinite(event.gradientNorm)) series.gradientNorm.append(event.step, event.tokens, event.seconds, event.gradientNorm);
        series.learningRate.append(event.step, event.tokens, event.seconds, event.learningRate);
        store.setState({ latest: event, revision: revision + 1 });
        break;
      }
      case 'train.evaluated': {
        const { started, series, revision, evaluations, bestEvaluation } = store.getState();
        if (event.runId !== started?.runId) break;
        series.validationLoss.append(event.step, event.tokens, event.seconds, event.validation.loss);
        store.setState({
          lastEvaluation: event,
          bestEvaluation: event.best ? event : bestEvaluation,
          evaluations: [...evaluations.slice(1 - EVALUATIONS_KEPT), event],
          revision: revision + 1,
        });
        break;
      }
    }
  });
  return store;
}
