// Everything the engine calls. Kernels share one way of being called: kernel(first, end, scratch, ...buffers, ...numbers) computes items [first, end), which do not depend on each other, and
// may use `scratch`, this thread's own memory. What a pointer points to is written beside it as [shape], float32 unless it says otherwise.
export { gemmNN, gemmNT, gemmPlain, gemmTN, gemmVector } from './gemm.as';
export { attentionAttend, attentionForward, attentionKeyValueGradient, attentionQueryGradient, attentionRowDelta } from './attention.as';
export { embeddingBackward, embeddingForward, rmsnormForward, rmsnormForwardAdded, rmsnormInputGradient, rmsnormWeightGradient, rmsnormWeightPartials, ropeRotate, swigluBackward, swigluForward } from './layers.as';
export { advance, cacheRows, chooseToken, embeddingDecode, vectorNormProduct, vectorNormQkv, vectorNormSwiglu } from './generation.as';
export { crossEntropyForward, crossEntropyForwardBackward, distillationForwardBackward } from './losses.as';
export { adamw, clearBytes, copyBytes, gradientFinish, gradientSquares, projectionFinish, projectionForward, projectionProducts } from './parameters.as';
