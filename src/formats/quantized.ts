// Matrices in 8 bits: every row is whole numbers from -127 to 127 times the row's own float32 scale (written by pretrain/pack/quantize.py).

/** `quantized` [rows, columns] and `scales` [rows] -> float32 [rows, columns], in memory of that length where it is given. */
export function dequantizeRows(quantized: Int8Array, scales: Float32Array, values: Float32Array = new Float32Array(quantized.length)): Float32Array {
  const columns = quantized.length / scales.length;
  for (let row = 0, i = 0; row < scales.length; row++) {
    const scale = scales[row];
    for (const end = (row + 1) * columns; i < end; i++) values[i] = quantized[i] * scale;
  }
  return values;
}
