// Token embedding: forward copies a table row per token; backward adds each token's row gradients to its table row. Backward reads rows grouped by
// token (sortRowsByToken), so that one invocation owns one vec4f of one table row and sums in a fixed order: no atomics, same bits every time.

override ROWS: u32;
override ROW_VECS: u32; // C / 4

@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read> table: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> x: array<vec4f>;

// decode
@group(0) @binding(3) var<storage, read> state: array<u32>; // [0]: which token

// backward
@group(0) @binding(0) var<storage, read> dx: array<vec4f>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> starts: array<vec2u>; // [0].x distinct tokens; [1 + i]: token, its first index in order
@group(0) @binding(3) var<storage, read_write> d_table: array<vec4f>;

const WORKGROUP_SIZE = 64u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * WORKGROUP_SIZE;
  let row = index / ROW_VECS;
  if (row >= ROWS) { return; }
  x[index] = table[tokens[row] * ROW_VECS + index % ROW_VECS];
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn decode(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < ROW_VECS) { x[id.x] = table[tokens[state[0]] * ROW_VECS + id.x]; }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * WORKGROUP_SIZE;
  let distinct = index / ROW_VECS;
  let num_distinct = starts[0].x;
  if (distinct >= num_distinct) { return; }
  let column = index % ROW_VECS;
  let group = starts[1u + distinct];
  var end = ROWS;
  if (distinct + 1u < num_distinct) { end = starts[2u + distinct].y; }
  var total = vec4f(0.0);
  for (var i = group.y; i < end; i++) { total += dx[order[i] * ROW_VECS + column]; }
  d_table[group.x * ROW_VECS + column] += total;
}
