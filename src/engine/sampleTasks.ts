// Samples: one prompt completed by the projected and the fine-tuned model side by side, a few tokens of each in turn.
import type { SampleConfig } from '../config/sampleConfig.ts';
import { Generator } from '../model/generation.ts';
import { StreamingDecoder } from '../tokenizer/streamingDecoder.ts';
import type { EngineState, SampledModel, Speaker } from './engineState.ts';

/** The projected model and, once a run has better weights, the fine-tuned one; made anew only when their weights changed. */
async function currentSpeakers(state: EngineState): Promise<readonly Speaker[]> {
  const gpu = state.requireGpu();
  const { pack } = state.requirePack();
  const projection = state.requireProjection();
  const wanted: [SampledModel, Float32Array][] = [['projected', projection.weights]];
  // While a run goes on, its best weights so far speak.
  if (state.run && state.run.best.step > 0) wanted.push(['fineTuned', state.run.best.weights]);
  const { speakers } = state;
  if (speakers.length === wanted.length && wanted.every(([, weights], index) => speakers[index].weights === weights)) return speakers;
  state.forgetSpeakers();
  const made: Speaker[] = [];
  for (const [model, weights] of wanted) made.push({ model, weights, generator: await Generator.create(gpu, pack.model, weights, model) });
  state.speakers = made;
  return made;
}

export async function generateSamples(state: EngineState, sampleId: string, config: SampleConfig, signal: AbortSignal): Promise<void> {
  const { tokenizer } = state.requirePack();
  const speakers = await currentSpeakers(state);
  // Documents begin after an end-of-text token in training, so prompts do too.
  const prompt = [tokenizer.endOfText, ...tokenizer.encode(config.prompt)];
  const streams = speakers.map(({ model, generator }) => ({
    model,
    decoder: new StreamingDecoder(tokenizer),
    groups: generator.generate(prompt, { ...config, endOfText: tokenizer.endOfText }),
    count: 0,
    milliseconds: 0,
    done: false,
  }));
  while (streams.some(({ done }) => !done)) {
    for (const stream of streams) {
      if (stream.done) continue;
      const start = performance.now();
      const { value, done } = signal.aborted ? { value: undefined, done: true } : await stream.groups.next();
      stream.milliseconds += performance.now() - start;
      stream.done = done === true;
      const text = value === undefined ? stream.decoder.finish() : value.map((id: number) => stream.decoder.push(id)).join('');
      stream.count += value?.length ?? 0;
      if (text) state.emit({ type: 'sample.text', sampleId, model: stream.model, text, tokens: stream.count });
      if (stream.done) {
        const tokensPerSecond = stream.milliseconds > 0 ? stream.count / (stream.milliseconds / 1000) : 0;
        state.emit({ type: 'sample.finished', sampleId, model: stream.model, tokens: stream.count, tokensPerSecond });
      }
    }
  }
}
