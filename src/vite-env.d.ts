/// <reference types="vite/client" />

/** The kernels' binary as base64; see wasm/compileKernels.mjs. */
declare module '*.as.ts?kernels' {
  const base64: string;
  export default base64;
}
declare module '*.as.ts?kernels&fused' {
  const base64: string;
  export default base64;
}
