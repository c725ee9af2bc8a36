// C[M, N] (= | +=) A . B, one output per invocation, k in ascending order: the numerics baseline, any shape.
// Element (row, k) of A is a[row * A_ROW + k * A_K]; element (k, col) of B is b[k * B_K + col * B_COL].
override M: u32;
override N: u32;
override K: u32;
override A_ROW: u32;
override A_K: u32;
override B_K: u32;
override B_COL: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= M * N) {
    return;
  }
  let row = index / N;
  let col = index % N;
  var sum = 0.0;
  for (var k = 0u; k < K; k++) {
    sum += a[row * A_ROW + k * A_K] * b[k * B_K + col * B_COL];
  }
  if (ACCUMULATE != 0u) {
    sum += c[index];
  }
  c[index] = sum;
}
