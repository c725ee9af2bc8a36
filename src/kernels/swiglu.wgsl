// Gated activation: act = silu(gate) * up, silu(g) = g * sigmoid(g). gate_up is [rows, 2F], gate first; one invocation per vec4f of act.
// GateUp, Act, DAct and DGateUp come from storageWgsl.ts.

override ROWS: u32;
override ROW_VECS: u32; // F / 4

@group(0) @binding(0) var<storage, read> gate_up: array<GateUp>;
@group(0) @binding(1) var<storage, read_write> act: array<Act>;

// backward
@group(0) @binding(1) var<storage, read> d_act: array<DAct>;
@group(0) @binding(2) var<storage, read_write> d_gate_up: array<DGateUp>;

const WORKGROUP_SIZE = 64u;

// Through exp(-|g|), which cannot overflow.
fn sigmoid(g: vec4f) -> vec4f {
  let e = exp(-abs(g));
  return select(e, vec4f(1.0), g >= vec4f(0.0)) / (1.0 + e);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * WORKGROUP_SIZE;
  let row = index / ROW_VECS;
  if (row >= ROWS) { return; }
  let at = index + row * ROW_VECS;
  let gate = loadGateUp(gate_up[at]);
  act[index] = storeAct(gate * sigmoid(gate) * loadGateUp(gate_up[at + ROW_VECS]));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * WORKGROUP_SIZE;
  let row = index / ROW_VECS;
  if (row >= ROWS) { return; }
  let at = index + row * ROW_VECS;
  let gate = loadGateUp(gate_up[at]);
  let s = sigmoid(gate);
  let silu = gate * s;
  let d = loadDAct(d_act[index]);
  // silu'(g) = s * (1 + g * (1 - s)) = s + silu * (1 - s)
  d_gate_up[at] = storeDGateUp(d * loadGateUp(gate_up[at + ROW_VECS]) * (s + silu * (1.0 - s)));
  d_gate_up[at + ROW_VECS] = storeDGateUp(d * silu);
}
