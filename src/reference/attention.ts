// CPU twin of causal multi-head attention: softmax(q k^T / sqrt(HS)) v over keys at or before the query. Reads fused qkv
// [N, 3C] with q at column 0, k at C, v at 2C, where C = NH * HS. The backward recomputes the probabilities.

export interface AttentionShape {
  readonly B: number;
  readonly T: number;
  readonly NH: number;
  readonly HS: number;
}

/** qkv [B*T, 3C] -> out [B*T, C] and lse [B, NH, T], the log of each query's sum of exponentials of scaled scores. */
export function attentionForward(qkv: ArrayLike<number>, { B, T, NH, HS }: AttentionShape): { out: Float64Array; lse: Float64Array } {
  const C = NH * HS;
  const out = new Float64Array(B * T * C);
  const lse = new Float64Array(B * NH * T);
  for (let b = 0; b < B; b++) {
    for (let head = 0; head < NH; head++) {
      for (let t = 0; t < T; t++) {
        const { probabilities, logSum } = causalProbabilities(qkv, { b, head, t }, { T, C, HS });
        lse[(b * NH + head) * T + t] = logSum;
        for (let s = 0; s <= t; s++) {
          const value = (b * T + s) * 3 * C + 2 * C + head * HS;
          for (let i = 0; i < HS; i++) out[(b * T + t) * C + head * HS + i] += probabilities[s] * qkv[value + i];
        }
      }
    }
  }
  return { out, lse };
}

/** dOut [B*T, C] and the forward's qkv [B*T, 3C] -> dQkv [B*T, 3C]. */
export function attentionBackward(dOut: ArrayLike<number>, qkv: ArrayLike<number>, { B, T, NH, HS }: AttentionShape): Float64Array {
  const C = NH * HS;
  const scale = 1 / Math.sqrt(HS);
  const dQkv = new Float64Array(B * T * 3 * C);
  for (let b = 0; b < B; b++) {
    for (let head = 0; head < NH; head++) {
      for (let t = 0; t < T; t++) {
        const { probabilities } = causalProbabilities(qkv, { b, head, t }, { T, C, HS });
        const query = (b * T + t) * 3 * C + head * HS;
        const output = (b * T + t) * C + head * HS;
        const dProbabilities = new Float64Array(t + 1);
        let weightedSum = 0;
        for (let s = 0; s <= t; s++) {
          const value = (b * T + s) * 3 * C + 2 * C + head * HS;
          for (let i = 0; i < HS; i++) {
            dProbabilities[s] += dOut[output + i] * qkv[value + i];
            dQkv[value + i] += probabilities[s] * dOut[output + i];
          }
          weightedSum += probabilities[s] * dProbabilities[s];
        }
        for (let s = 0; s <= t; s++) {
          const dScore = probabilities[s] * (dProbabilities[s] - weightedSum) * scale;
          const key = (b * T + s) * 3 * C + C + head * HS;
          for (let i = 0; i < HS; i++) {
            dQkv[query + i] += dScore * qkv[key + i];
            dQkv[key + i] += dScore * qkv[query + i];
          }
        }
      }
    }
  }
  return dQkv;
}

/** One query's probabilities over keys 0..t. The largest score is subtracted before exp, so that nothing overflows. */
function causalProbabilities(
  qkv: ArrayLike<number>,
  { b, head, t }: { b: number; head: number; t: number },
  { T, C, HS }: { T: number; C: number; HS: number },
): { probabilities: Float64Array; logSum: number } {
  const scores = new Float64Array(t + 1);
  const query = (b * T + t) * 3 * C + head * HS;
  let largest = -Infinity;
  for (let s = 0; s <= t; s++) {
    const key = (b * T + s) * 3 * C + C + head * HS;
    let dot = 0;
    for (let i = 0; i < HS; i++) dot += qkv[query + i] * qkv[key + i];
    scores[s] = dot / Math.sqrt(HS);
    largest = Math.max(largest, scores[s]);
  }
  let sum = 0;
  for (let s = 0; s <= t; s++) sum += Math.exp(scores[s] - largest);
  const logSum = largest + Math.log(sum);
  return { probabilities: scores.map((score) => Math.exp(score - logSum)), logSum };
}
