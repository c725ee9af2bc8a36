// C[M, N] (= | +=) A . B where at least one of them is stored as halves: four neighbouring columns per invocation, since C is written in fours, k in ascending order.
// The numerics baseline of such products. Strides as in gemmPlain.wgsl; A, B, C, aAt, bAt and storeFour come from gemmPlainHalves.ts.
override M: u32;
override N: u32;
override K: u32;
override A_ROW: u32;
override A_K: u32;
override B_K: u32;
override B_COL: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> a: array<A>;
@group(0) @binding(1) var<storage, read> b: array<B>;
@group(0) @binding(2) var<storage, read_write> c: array<C>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  let fours = (N + 3u) / 4u;
  let row = index / fours;
  if (row >= M) {
    return;
  }
  let col = index % fours * 4u;
  // Past the last column the last one is read, and never stored.
  let at = min(col + vec4u(0u, 1u, 2u, 3u), vec4u(N - 1u)) * B_COL;
  var sums = vec4f(0.0);
  for (var k = 0u; k < K; k++) {
    let first = k * B_K;
    sums += aAt(row * A_ROW + k * A_K) * vec4f(bAt(first + at.x), bAt(first + at.y), bAt(first + at.z), bAt(first + at.w));
  }
  storeFour(row, col, sums);
}
