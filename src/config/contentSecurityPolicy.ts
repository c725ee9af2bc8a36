// The page's Content-Security-Policy: no foreign origin anywhere. 'wasm-unsafe-eval' lets onnxruntime compile its WebAssembly;
// blob: serves downloads and worker start-up. Used by vite.config.ts for the built pages and the preview server.

export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval' blob:",
  "worker-src 'self' blob:",
  "connect-src 'self' blob:",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');
