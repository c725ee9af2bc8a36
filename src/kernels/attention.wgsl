// Causal self-attention without the T x T matrix. One invocation owns one row, keeps its vectors in registers and walks the other side in blocks of
// four, so that four dot products are one vector-matrix product and the running maximum is rescaled once a block. Blocks start at multiples of four:
// neighbouring rows walk the same blocks, lanes stay together, the excess is masked. qkv is [B*T, 3*NH*HS]: q, k, v side by side.
// Online softmax: https://arxiv.org/abs/1805.02867. Backward recomputes probabilities from lse: https://arxiv.org/abs/2205.14135.
// The caller appends `const HEAD_VECS: u32` (head size / 4): private arrays take no override. Qkv, Out, DOut and DQkv come from storageWgsl.ts.

override T: u32;
override NUM_HEADS: u32;
override SCALE: f32; // 1 / sqrt(head size)

// forward
@group(0) @binding(0) var<storage, read> qkv: array<Qkv>;
@group(0) @binding(1) var<storage, read_write> out: array<Out>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;

// rowDelta
@group(0) @binding(0) var<storage, read> forward_out: array<Out>;
@group(0) @binding(1) var<storage, read> d_out: array<DOut>;
@group(0) @binding(2) var<storage, read_write> delta: array<f32>;

// queryGradient, keyValueGradient (qkv at 0, d_out at 1)
@group(0) @binding(2) var<storage, read> row_lse: array<f32>;
@group(0) @binding(3) var<storage, read> row_delta: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_qkv: array<DQkv>;

const WORKGROUP_SIZE = 64u;
const BLOCK = 4u;
const BLOCK_OFFSETS = vec4u(0u, 1u, 2u, 3u);
// exp(LOWEST - anything) is 0; finite, because compilers may assume that infinities never occur.
const LOWEST = -1e30;

// Where a head of one sequence lies, in vec4f: row r's query is at query + r * stride.
struct Head {
  stride: u32,
  query: u32,
  key: u32,
  value: u32,
  out_stride: u32,
  out: u32,
  scalars: u32, // lse and delta, [B, NH, T]
}

fn headOf(id: vec3u) -> Head {
  let width = NUM_HEADS * HEAD_VECS;
  let query = id.z * T * 3u * width + id.y * HEAD_VECS;
  return Head(3u * width, query, query + width, query + 2u * width, width, id.z * T * width + id.y * HEAD_VECS, (id.z * NUM_HEADS + id.y) * T);
}

fn qkvAt(at: u32) -> vec4f { return loadQkv(qkv[at]); }
fn dOutAt(at: u32) -> vec4f { return loadDOut(d_out[at]); }
fn largestOf(v: vec4f) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
fn sumOf(v: vec4f) -> f32 { return (v.x + v.y) + (v.z + v.w); }
// The last block may reach past the sequence: its rows are read as the last row and masked.
fn clampedRows(rows: vec4u) -> vec4u { return min(rows, vec4u(T - 1u)); }

@compute @workgroup_size(WORKGROUP_SIZE)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= T) { return; }
  let head = headOf(id);
  var query: array<vec4f, HEAD_VECS>;
  var weighted: array<vec4f, HEAD_VECS>;
  for (var d = 0u; d < HEAD_VECS; d++) { query[d] = qkvAt(head.query + row * head.stride + d) * SCALE; }

  var maximum = LOWEST;
  var total = 0.0;
  for (var first = 0u; first <= row; first += BLOCK) {
    let keys = first + BLOCK_OFFSETS;
    let offsets = clampedRows(keys) * head.stride;
    let k = head.key + offsets;
    var scores = vec4f(0.0);
    for (var d = 0u; d < HEAD_VECS; d++) {
      scores += query[d] * mat4x4f(qkvAt(k.x + d), qkvAt(k.y + d), qkvAt(k.z + d), qkvAt(k.w + d));
    }
    scores = select(vec4f(LOWEST), scores, keys <= vec4u(row));

    let old_maximum = maximum;
    maximum = max(maximum, largestOf(scores));
    let rescale = exp(old_maximum - maximum);
    let p = exp(scores - maximum);
    total = total * rescale + sumOf(p);
    let v = head.value + offsets;
    for (var d = 0u; d < HEAD_VECS; d++) {
      weighted[d] = weighted[d] * rescale + mat4x4f(qkvAt(v.x + d), qkvAt(v.y + d), qkvAt(v.z + d), qkvAt(v.w + d)) * p;
    }
  }

  for (var d = 0u; d < HEAD_VECS; d++) { out[head.out + row * head.out_stride + d] = storeOut(weighted[d] / total); }
  lse[head.scalars + row] = maximum + log(total);
}

// delta = sum(dOut * out) over the head = sum over keys of p * dp: what softmax's backward subtracts.
@compute @workgroup_size(WORKGROUP_SIZE)
fn rowDelta(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= T) { return; }
  let head = headOf(id);
  let start = head.out + row * head.out_stride;
  var total = vec4f(0.0);
  for (var d = 0u; d < HEAD_VECS; d++) { total += dOutAt(start + d) * loadOut(forward_out[start + d]); }
  delta[head.scalars + row] = sumOf(total);
}

// One query row: dq = sum over keys of ds * k, with ds = p * (dp - delta) * SCALE and dp = dOut . v.
@compute @workgroup_size(WORKGROUP_SIZE)
fn queryGradient(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= T) { return; }
  let head = headOf(id);
  var query: array<vec4f, HEAD_VECS>;
  var upstream: array<vec4f, HEAD_VECS>;
  var gradient: array<vec4f, HEAD_VECS>;
  for (var d = 0u; d < HEAD_VECS; d++) {
    query[d] = qkvAt(head.query + row * head.stride + d) * SCALE;
    upstream[d] = dOutAt(head.out + row * head.out_stride + d);
  }
  let my_lse = row_lse[head.scalars + row];
  let my_delta = row_delta[head.scalars + row];

  for (var first = 0u; first <= row; first += BLOCK) {
    let keys = first + BLOCK_OFFSETS;
    let offsets = clampedRows(keys) * head.stride;
    let k = head.key + offsets;
    let v = head.value + offsets;
    var scores = vec4f(0.0);
    var dp = vec4f(0.0);
    for (var d = 0u; d < HEAD_VECS; d++) {
      scores += query[d] * mat4x4f(qkvAt(k.x + d), qkvAt(k.y + d), qkvAt(k.z + d), qkvAt(k.w + d));
      dp += upstream[d] * mat4x4f(qkvAt(v.x + d), qkvAt(v.y + d), qkvAt(v.z + d), qkvAt(v.w + d));
    }
    let p = exp(select(vec4f(LOWEST), scores - my_lse, keys <= vec4u(row)));
    let ds = p * (dp - my_delta) * SCALE;
    for (var d = 0u; d < HEAD_VECS; d++) {
      gradient[d] += mat4x4f(qkvAt(k.x + d), qkvAt(k.y + d), qkvAt(k.z + d), qkvAt(k.w + d)) * ds;
    }
  }
  for (var d = 0u; d < HEAD_VECS; d++) { d_qkv[head.query + row * head.stride + d] = storeDQkv(gradient[d]); }
}

// One key row: dv = sum over queries of p * dOut, dk = sum over queries of ds * q.
@compute @workgroup_size(WORKGROUP_SIZE)
fn keyValueGradient(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= T) { return; }
  let head = headOf(id);
  var key: array<vec4f, HEAD_VECS>;
  var value: array<vec4f, HEAD_VECS>;
  var key_gradient: array<vec4f, HEAD_VECS>;
  var value_gradient: array<vec4f, HEAD_VECS>;
  for (var d = 0u; d < HEAD_VECS; d++) {
    key[d] = qkvAt(head.key + row * head.stride + d) * SCALE;
    value[d] = qkvAt(head.value + row * head.stride + d);
  }

  for (var first = row - row % BLOCK; first < T; first += BLOCK) {
    let queries = first + BLOCK_OFFSETS;
    let rows = clampedRows(queries);
    let q = head.query + rows * head.stride;
    let o = head.out + rows * head.out_stride;
    let s = head.scalars + rows;
    var scores = vec4f(0.0);
    var dp = vec4f(0.0);
    for (var d = 0u; d < HEAD_VECS; d++) {
      scores += key[d] * mat4x4f(qkvAt(q.x + d), qkvAt(q.y + d), qkvAt(q.z + d), qkvAt(q.w + d));
      dp += value[d] * mat4x4f(dOutAt(o.x + d), dOutAt(o.y + d), dOutAt(o.z + d), dOutAt(o.w + d));
    }
    let lses = vec4f(row_lse[s.x], row_lse[s.y], row_lse[s.z], row_lse[s.w]);
    let deltas = vec4f(row_delta[s.x], row_delta[s.y], row_delta[s.z], row_delta[s.w]);
    let p = exp(select(vec4f(LOWEST), scores - lses, (queries >= vec4u(row)) & (queries < vec4u(T))));
    let ds = p * (dp - deltas) * SCALE;
    for (var d = 0u; d < HEAD_VECS; d++) {
      key_gradient[d] += mat4x4f(qkvAt(q.x + d), qkvAt(q.y + d), qkvAt(q.z + d), qkvAt(q.w + d)) * ds;
      value_gradient[d] += mat4x4f(dOutAt(o.x + d), dOutAt(o.y + d), dOutAt(o.z + d), dOutAt(o.w + d)) * p;
    }
  }
  for (var d = 0u; d < HEAD_VECS; d++) {
    d_qkv[head.key + row * head.stride + d] = storeDQkv(key_gradient[d]);
    d_qkv[head.value + row * head.stride + d] = storeDQkv(value_gradient[d]);
  }
}
