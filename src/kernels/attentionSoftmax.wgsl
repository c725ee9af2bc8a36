// What lies between the matrix products of attentionTiles.ts, in place, one invocation a row of [batch, T, T]: forward turns scores into probabilities and gives each
// row's log-sum-exp; backward turns scores into probabilities again, and dP beside them into dS. Columns past the row's own become 0 as far as the tiles of
// the products that follow read them. SCORE_VECS, T, TILE and SCALE are constants that attentionTiles.ts appends.

@group(0) @binding(0) var<storage, read_write> scores: array<vec4f, SCORE_VECS>;

// forward
@group(0) @binding(1) var<storage, read_write> lse: array<f32>;

// backward
@group(0) @binding(1) var<storage, read_write> gradients: array<vec4f, SCORE_VECS>;
@group(0) @binding(2) var<storage, read> row_lse: array<f32>;
@group(0) @binding(3) var<storage, read> row_delta: array<f32>;

const WORKGROUP_SIZE = 64u;
const LANES = vec4u(0u, 1u, 2u, 3u);
// exp(LOWEST - anything) is 0; finite, because compilers may assume that infinities never occur.
const LOWEST = -1e30;

fn largestOf(v: vec4f) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
fn sumOf(v: vec4f) -> f32 { return (v.x + v.y) + (v.z + v.w); }
// The vec4f of the diagonal holds columns past the row.
fn masked(v: vec4f, first: u32, row: u32, otherwise: f32) -> vec4f { return select(vec4f(otherwise), v, first + LANES <= vec4u(row)); }
fn tileEnd(row: u32) -> u32 { return min((row / TILE + 1u) * TILE, T) / 4u; }

@compute @workgroup_size(WORKGROUP_SIZE)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= T) { return; }
  let start = (id.z * T + row) * (T / 4u);
  let last = row / 4u;
  let diagonal = masked(scores[start + last] * SCALE, last * 4u, row, LOWEST);
  var largest = diagonal;
  for (var i = 0u; i < last; i++) { largest = max(largest, scores[start + i] * SCALE); }
  let maximum = largestOf(largest);
  var sums = exp(diagonal - maximum);
  for (var i = 0u; i < last; i++) { sums += exp(scores[start + i] * SCALE - maximum); }
  let total = sumOf(sums);
  for (var i = 0u; i < last; i++) { scores[start + i] = exp(scores[start + i] * SCALE - maximum) / total; }
  scores[start + last] = exp(diagonal - maximum) / total;
  for (var i = last + 1u; i < tileEnd(row); i++) { scores[start + i] = vec4f(0.0); }
  lse[id.z * T + row] = maximum + log(total);
}

// dS = P * (dP - delta) * SCALE, the gradient of q k^T.
@compute @workgroup_size(WORKGROUP_SIZE)
fn backward(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= T) { return; }
  let start = (id.z * T + row) * (T / 4u);
  let last = row / 4u;
  let my_lse = row_lse[id.z * T + row];
  let my_delta = row_delta[id.z * T + row];
  for (var i = 0u; i < last; i++) {
    let p = exp(scores[start + i] * SCALE - my_lse);
    scores[start + i] = p;
    gradients[start + i] = p * (gradients[start + i] - my_delta) * SCALE;
  }
  let p = exp(masked(scores[start + last] * SCALE - my_lse, last * 4u, row, LOWEST));
  scores[start + last] = p;
  gradients[start + last] = p * masked(gradients[start + last] - my_delta, last * 4u, row, 0.0) * SCALE;
  for (var i = last + 1u; i < tileEnd(row); i++) {
    scores[start + i] = vec4f(0.0);
    gradients[start + i] = vec4f(0.0);
  }
}
