// CPU twin of the gated activation: act = silu(gate) * up with silu(x) = x * sigmoid(x). Reads fused gateUp [rows, 2F], gate first.

export interface SwigluShape {
  readonly rows: number;
  readonly F: number;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** gateUp [rows, 2F] -> act [rows, F]. */
export function swigluForward(gateUp: ArrayLike<number>, { rows, F }: SwigluShape): Float64Array {
  const act = new Float64Array(rows * F);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < F; i++) {
      const gate = gateUp[row * 2 * F + i];
      const up = gateUp[row * 2 * F + F + i];
      act[row * F + i] = gate * sigmoid(gate) * up;
    }
  }
  return act;
}

/** dAct [rows, F] and the forward's gateUp [rows, 2F] -> dGateUp [rows, 2F]. */
export function swigluBackward(dAct: ArrayLike<number>, gateUp: ArrayLike<number>, { rows, F }: SwigluShape): Float64Array {
  const dGateUp = new Float64Array(rows * 2 * F);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < F; i++) {
      const gate = gateUp[row * 2 * F + i];
      const up = gateUp[row * 2 * F + F + i];
      const gateSigmoid = sigmoid(gate);
      const d = dAct[row * F + i];
      dGateUp[row * 2 * F + i] = d * up * gateSigmoid * (1 + gate * (1 - gateSigmoid));
      dGateUp[row * 2 * F + F + i] = d * gate * gateSigmoid;
    }
  }
  return dGateUp;
}
