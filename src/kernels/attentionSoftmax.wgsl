// Causal softmax over the rows of scores [batch, T, T] in place, one invocation a row, and each row's log-sum-exp. Later columns become 0 as far as the tiles of the
// products that follow read them. Sizes are constants that attentionTiles.ts appends.

@group(0) @binding(0) var<storage, read_write> scores: array<vec4f, SCORE_VECS>;
@group(0) @binding(1) var<storage, read_write> lse: array<f32>;

const WORKGROUP_SIZE = 64u;
const LANES = vec4u(0u, 1u, 2u, 3u);
// exp(LOWEST - anything) is 0; finite, because compilers may assume that infinities never occur.
const LOWEST = -1e30;

fn largestOf(v: vec4f) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
fn sumOf(v: vec4f) -> f32 { return (v.x + v.y) + (v.z + v.w); }

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= T) { return; }
  let start = (id.z * T + row) * (T / 4u);
  let last = row / 4u;
  var largest = vec4f(LOWEST);
  for (var i = 0u; i < last; i++) { largest = max(largest, scores[start + i]); }
  let isSeen = last * 4u + LANES <= vec4u(row);
  let ending = select(vec4f(LOWEST), scores[start + last], isSeen);
  let maximum = max(largestOf(largest), largestOf(ending));
  var sums = exp(ending - maximum);
  for (var i = 0u; i < last; i++) { sums += exp(scores[start + i] - maximum); }
  let total = sumOf(sums);
  for (var i = 0u; i < last; i++) { scores[start + i] = exp(scores[start + i] - maximum) / total; }
  scores[start + last] = exp(ending - maximum) / total;
  let end = min((row / TILE + 1u) * TILE, T) / 4u;
  for (var i = last + 1u; i < end; i++) { scores[start + i] = vec4f(0.0); }
  lse[id.z * T + row] = maximum + log(total);
}
