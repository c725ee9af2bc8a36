// The tied head fused with its loss, in chunks of rows: the logits of one chunk [R, V] are computed, turned into losses and gradients in place, and used at once
// for dHidden and dEmbedding, so that the full logits [N, V] never exist, nor a teacher's. Same idea as Liger Kernel's fused linear cross-entropy
// (arXiv 2410.10989).
import type { ModelConfig } from '../config/modelConfig.ts';
import { subview, type BufferScope, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { settleOps, type Op, type PendingOps } from '../gpu/dispatch.ts';
import type { MemoryLimits } from '../gpu/limits.ts';
import { crossEntropyForward, crossEntropyForwardBackward } from '../kernels/crossEntropy.ts';
import { distillationForwardBackward } from '../kernels/distillation.ts';
import { gemm } from '../kernels/gemm.ts';

/** Rows per chunk are multiples of this, so that sub-ranges of per-row buffers keep the binding alignment of 64 floats. */
const CHUNK_ROWS = 64;
const MAX_CHUNK_ROWS = 256;

/** Rows of logits that exist at once: a quarter of all rows, between 64 and 256, and no more than the adapter binds (but 64 if not even those). */
export function headChunkRows(rows: number, vocabSize: number, limits: MemoryLimits): number {
  const quarter = Math.ceil(rows / 4 / CHUNK_ROWS) * CHUNK_ROWS;
  const bindable = Math.floor(Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize) / (4 * vocabSize * CHUNK_ROWS)) * CHUNK_ROWS;
  return Math.min(rows, MAX_CHUNK_ROWS, Math.max(CHUNK_ROWS, Math.min(quarter, bindable)));
}

export interface HeadBuffers {
  /** [N, C] final normed hidden states; may be stored as halves. */
  readonly hidden: BufferView;
  /** [V, C] tied embedding; may be stored as halves. */
  readonly embedding: BufferView;
  /** u32 [N]; 0xFFFFFFFF where no token is to be predicted. */
  readonly targets: BufferView;
  /** [N] nats per row. */
  readonly losses: BufferView;
}

/** What a head reads of a teacher with the same vocabulary; D is the teacher's own hidden size. */
export interface TeacherHead {
  /** [N, D] final normed hidden states of the batch that the student sees. */
  readonly hidden: BufferView;
  /** [V, D] tied embedding. */
  readonly embedding: BufferView;
  /** D */
  readonly hiddenSize: number;
  /** Weight and temperature; see kernels/distillation.ts. */
  readonly mix: BufferView;
}

export interface HeadGradients {
  /** [N, C], assigned; may be stored as halves. */
  readonly dHidden: BufferView;
  /** [V, C], accumulated. */
  readonly dEmbedding: BufferView;
  /** Step scalars; the gradient of every row's loss is scaled by their lossScale. */
  readonly scalars: BufferView;
  /** Makes losses and gradients those of distillation; no gradient reaches the teacher. */
  readonly teacher?: TeacherHead;
}

/** Losses per row, and with `gradients` also dHidden and dEmbedding. */
export async function planHead(gpu: Gpu, config: ModelConfig, rows: number, buffers: HeadBuffers, scope: BufferScope, gradients?: HeadGradients): Promise<Op[]> {
  const { hiddenSize: C, vocabSize: V } = config;
  const chunkRows = headChunkRows(rows, V, gpu.device.limits);
  const teacher = gradients?.teacher;
  const logits = scope.floats('logitsChunk', chunkRows * V);
  const teacherLogits = teacher && scope.floats('teacherLogitsChunk', chunkRows * V);
  const ops: PendingOps[] = [];
  for (let first = 0; first < rows; first += chunkRows) {
    const count = Math.min(chunkRows, rows - first);
    const chunk = subview(logits, 0, count * V);
    const hidden = subview(buffers.hidden, first * C, count * C);
    const perRow = { logits: chunk, targets: subview(buffers.targets, first, count), losses: subview(buffers.losses, first, count) };
    ops.push(gemm(gpu, { a: hidden, b: buffers.embedding, c: chunk }, { form: 'NT', M: count, N: V, K: C, accumulate: false }));
    if (!gradients) {
      ops.push(crossEntropyForward(gpu, perRow, { rows: count, V }));
      continue;
    }
    const { scalars } = gradients;
    if (teacher && teacherLogits) {
      const { embedding, mix, hiddenSize: D } = teacher;
      const teacherChunk = subview(teacherLogits, 0, count * V);
      ops.push(gemm(gpu, { a: subview(teacher.hidden, first * D, count * D), b: embedding, c: teacherChunk }, { form: 'NT', M: count, N: V, K: D, accumulate: false }));
      ops.push(distillationForwardBackward(gpu, { ...perRow, teacherLogits: teacherChunk, scalars, mix }, { rows: count, V }));
    } else {
      ops.push(crossEntropyForwardBackward(gpu, { ...perRow, scalars }, { rows: count, V }));
    }
    const dHidden = subview(gradients.dHidden, first * C, count * C);
    ops.push(gemm(gpu, { a: chunk, b: buffers.embedding, c: dHidden }, { form: 'NN', M: count, N: C, K: V, accumulate: false }));
    ops.push(gemm(gpu, { a: chunk, b: hidden, c: gradients.dEmbedding }, { form: 'TN', M: V, N: C, K: count, accumulate: true }));
  }
  return settleOps(ops);
}
