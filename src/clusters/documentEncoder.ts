// encoder.onnx through onnxruntime-web on the CPU: token ids of one window -> an embedding of norm 1. One thread, because threads need
// cross-origin isolation, which a static host does not give. The runtime (14 MB of WebAssembly) is fetched when the first encoder is made, from
// the page's own origin.
import type * as OnnxRuntime from 'onnxruntime-web/wasm';
import runtimeWasmUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import { invariant, messageOf, UserError } from '../core/invariant.ts';

export interface DocumentEncoder {
  /**
   * Embedding [D] of one window of 1 to `windowTokens` token ids. It has norm 1; where the encoder gives every token of the window a zero vector, it
   * holds zeros or NaN.
   * @throws UserError when the encoder fails on it (a token id beyond its table)
   */
  embed(tokens: ArrayLike<number>): Promise<Float32Array>;
  /** Frees the runtime's memory. The encoder cannot be used afterwards. */
  release(): Promise<void>;
}

const INPUT = 'input_ids';
const OUTPUT = 'embedding';
/** Failures are thrown and told in a sentence; the runtime need not print them too. */
const QUIET = { logSeverityLevel: 4 } as const;

let runtime: Promise<typeof OnnxRuntime> | undefined;

async function loadRuntime(): Promise<typeof OnnxRuntime> {
  const loaded = await import('onnxruntime-web/wasm');
  loaded.env.wasm.numThreads = 1;
  loaded.env.wasm.wasmPaths = { wasm: runtimeWasmUrl };
  return loaded;
}

/** @throws UserError one sentence when the bytes are no ONNX model or not one with input_ids -> embedding */
export async function createDocumentEncoder(onnxBytes: Uint8Array, { windowTokens }: { windowTokens: number }): Promise<DocumentEncoder> {
  runtime ??= loadRuntime().catch((error: unknown) => {
    runtime = undefined;
    throw new UserError(`The runtime of the document encoder could not be loaded: ${oneLine(error)}.`);
  });
  const { InferenceSession, Tensor } = await runtime;
  let session: OnnxRuntime.InferenceSession;
  try {
    session = await InferenceSession.create(onnxBytes, { executionProviders: ['wasm'] });
  } catch (error) {
    throw new UserError(`encoder.onnx could not be opened: ${oneLine(error)}.`);
  }
  if (session.inputNames.join() !== INPUT || !session.outputNames.includes(OUTPUT)) {
    const found = `${session.inputNames.join(', ')} to ${session.outputNames.join(', ')}`;
    await session.release();
    throw new UserError(`encoder.onnx must map ${INPUT} to ${OUTPUT}, but it maps ${found}.`);
  }
  return {
    async embed(tokens) {
      invariant(tokens.length >= 1 && tokens.length <= windowTokens, `a window has 1 to ${windowTokens} tokens, not ${tokens.length}`);
      const ids = new BigInt64Array(tokens.length);
      for (let i = 0; i < tokens.length; i++) ids[i] = BigInt(tokens[i]);
      let output: OnnxRuntime.Tensor;
      try {
        output = (await session.run({ [INPUT]: new Tensor('int64', ids, [1, ids.length]) }, [OUTPUT], QUIET))[OUTPUT];
      } catch (error) {
        throw new UserError(`encoder.onnx failed on a window of the text: ${oneLine(error)}.`);
      }
      if (!(output.data instanceof Float32Array)) throw new UserError(`encoder.onnx gives ${output.type} values, where float32 is expected.`);
      return output.data;
    },
    release: () => session.release(),
  };
}

const oneLine = (error: unknown): string => messageOf(error).split('\n')[0].trim().replace(/\.$/, '').slice(0, 300);
