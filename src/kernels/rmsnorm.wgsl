// RMSNorm over rows of C floats: y = x * rstd * weight, rstd = 1 / sqrt(mean(x^2) + eps). A team of four neighbouring invocations shares a row: together
// they read 64 bytes in one stretch, and one barrier is enough (larger teams: slower on a software adapter, three times at sixteen).
// The weight's gradient sums down the columns in two fixed stages (chunks of rows, then chunks), so that the same input gives the same bits.
// Y and Dy come from storageWgsl.ts.

override ROWS: u32;
override ROW_VECS: u32; // C / 4
override EPS: f32;
override ACCUMULATE: bool = false;
override ROWS_PER_CHUNK: u32 = 1u;

const TEAM = 4u;
const TEAMS = 16u;
const WORKGROUP_SIZE = TEAM * TEAMS;

// forward, forwardAdded
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<Y>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(4) var<storage, read> addend: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> sum: array<vec4f>;

// inputGradient (x and weight at 0 and 1)
@group(0) @binding(2) var<storage, read> row_rstd: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<Dy>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4f>;

// weightPartials (x at 0)
@group(0) @binding(1) var<storage, read> chunk_rstd: array<f32>;
@group(0) @binding(2) var<storage, read> chunk_dy: array<Dy>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4f>;

// weightGradient
@group(0) @binding(0) var<storage, read> chunk_sums: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> d_weight: array<vec4f>;

var<workgroup> shares: array<f32, WORKGROUP_SIZE>;

struct Member {
  row: u32,      // clamped to the last row: an invocation without a row of its own still meets the barrier
  has_row: bool,
  lane: u32,
}

fn memberOf(workgroup: vec3u, groups: vec3u, invocation: u32) -> Member {
  let row = (workgroup.x + workgroup.y * groups.x) * TEAMS + invocation / TEAM;
  return Member(min(row, ROWS - 1u), row < ROWS, invocation % TEAM);
}

// Every member adds the shares in the same order.
fn teamSum(invocation: u32, share: f32) -> f32 {
  shares[invocation] = share;
  workgroupBarrier();
  let first = invocation - invocation % TEAM;
  var total = 0.0;
  for (var i = 0u; i < TEAM; i++) { total += shares[first + i]; }
  return total;
}

fn rstdOf(sum_of_squares: f32) -> f32 {
  return 1.0 / sqrt(sum_of_squares / f32(ROW_VECS * 4u) + EPS);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn forward(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let member = memberOf(workgroup, groups, invocation);
  let start = member.row * ROW_VECS;
  var squares = 0.0;
  for (var i = member.lane; i < ROW_VECS; i += TEAM) { squares += dot(x[start + i], x[start + i]); }
  let r = rstdOf(teamSum(invocation, squares));
  if (!member.has_row) { return; }
  for (var i = member.lane; i < ROW_VECS; i += TEAM) { y[start + i] = storeY(x[start + i] * r * weight[i]); }
  if (member.lane == 0u) { rstd[member.row] = r; }
}

// The norm of sum = x + addend: the residual add rides along.
@compute @workgroup_size(WORKGROUP_SIZE)
fn forwardAdded(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let member = memberOf(workgroup, groups, invocation);
  let start = member.row * ROW_VECS;
  var squares = 0.0;
  for (var i = member.lane; i < ROW_VECS; i += TEAM) {
    let s = x[start + i] + addend[start + i];
    squares += dot(s, s);
  }
  let r = rstdOf(teamSum(invocation, squares));
  if (!member.has_row) { return; }
  for (var i = member.lane; i < ROW_VECS; i += TEAM) {
    let s = x[start + i] + addend[start + i];
    sum[start + i] = s;
    y[start + i] = storeY(s * r * weight[i]);
  }
  if (member.lane == 0u) { rstd[member.row] = r; }
}

// With n = x * rstd and dn = dy * weight: dx = rstd * (dn - n * mean(dn * n)).
@compute @workgroup_size(WORKGROUP_SIZE)
fn inputGradient(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let member = memberOf(workgroup, groups, invocation);
  let start = member.row * ROW_VECS;
  let r = row_rstd[member.row];
  var share = 0.0;
  for (var i = member.lane; i < ROW_VECS; i += TEAM) { share += dot(loadDy(dy[start + i]) * weight[i], x[start + i] * r); }
  let mean = teamSum(invocation, share) / f32(ROW_VECS * 4u);
  if (!member.has_row) { return; }
  for (var i = member.lane; i < ROW_VECS; i += TEAM) {
    let gradient = (loadDy(dy[start + i]) * weight[i] - x[start + i] * r * mean) * r;
    if (ACCUMULATE) { dx[start + i] += gradient; } else { dx[start + i] = gradient; }
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn weightPartials(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= ROW_VECS) { return; }
  let first = id.y * ROWS_PER_CHUNK;
  let end = min(first + ROWS_PER_CHUNK, ROWS);
  var total = vec4f(0.0);
  for (var row = first; row < end; row++) {
    let i = row * ROW_VECS + column;
    total += loadDy(chunk_dy[i]) * x[i] * chunk_rstd[row];
  }
  partials[id.y * ROW_VECS + column] = total;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn weightGradient(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= ROW_VECS) { return; }
  let num_chunks = (ROWS + ROWS_PER_CHUNK - 1u) / ROWS_PER_CHUNK;
  var total = vec4f(0.0);
  for (var chunk = 0u; chunk < num_chunks; chunk++) { total += chunk_sums[chunk * ROW_VECS + column]; }
  d_weight[column] += total;
}
