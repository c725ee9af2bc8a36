// C[M, N] (= | +=) A . B for real GPUs: a workgroup of THREADS x THREADS invocations owns a TILE x TILE block of C, stages DEPTH k of A and B in
// workgroup memory, and each invocation keeps 4 x 4 sums in registers. TILE = 4 * THREADS. Any shape: outside the matrices zero is staged.
// A is a[row * A_ROW + k * A_K], B is b[k * B_K + col * B_COL]; A_K == 1u or A_ROW == 1u says along which dimension neighbours are read together.
override M: u32;
override N: u32;
override K: u32;
override A_ROW: u32;
override A_K: u32;
override B_K: u32;
override B_COL: u32;
override ACCUMULATE: u32;
override THREADS: u32 = 16;
override TILE: u32 = 64;

const DEPTH = 16u;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

// [DEPTH, PITCH]: four rows (of A) or columns (of B) of one k per element, so that the inner loop reads vec4f. One element of padding per k keeps
// neighbours that write neighbouring k out of each other's memory bank.
override PITCH: u32 = TILE / 4u + 1u;
var<workgroup> stagedA: array<vec4f, DEPTH * PITCH>;
var<workgroup> stagedB: array<vec4f, DEPTH * PITCH>;

fn readA(row: u32, k: u32) -> f32 {
  if (row < M && k < K) {
    return a[row * A_ROW + k * A_K];
  }
  return 0.0;
}

fn readB(k: u32, col: u32) -> f32 {
  if (k < K && col < N) {
    return b[k * B_K + col * B_COL];
  }
  return 0.0;
}

@compute @workgroup_size(THREADS, THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u, @builtin(local_invocation_index) index: u32) {
  let row0 = group.y * TILE;
  let col0 = group.x * TILE;
  var sums: array<vec4f, 4>;
  for (var k0 = 0u; k0 < K; k0 += DEPTH) {
    // Each element is four scalars of one k. Where k is contiguous, neighbours take neighbouring k; else neighbouring fours of the output.
    for (var i = index; i < DEPTH * TILE / 4u; i += THREADS * THREADS) {
      var k = i % DEPTH;
      var four = i / DEPTH;
      if (A_K != 1u) {
        four = i % (TILE / 4u);
        k = i / (TILE / 4u);
      }
      let row = row0 + 4u * four;
      stagedA[k * PITCH + four] = vec4f(readA(row, k0 + k), readA(row + 1u, k0 + k), readA(row + 2u, k0 + k), readA(row + 3u, k0 + k));
    }
    for (var i = index; i < DEPTH * TILE / 4u; i += THREADS * THREADS) {
      var k = i % DEPTH;
      var four = i / DEPTH;
      if (B_K != 1u) {
        four = i % (TILE / 4u);
        k = i / (TILE / 4u);
      }
      let col = col0 + 4u * four;
      stagedB[k * PITCH + four] = vec4f(readB(k0 + k, col), readB(k0 + k, col + 1u), readB(k0 + k, col + 2u), readB(k0 + k, col + 3u));
    }
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let left = stagedA[k * PITCH + local.y];
      let right = stagedB[k * PITCH + local.x];
      sums[0] += left.x * right;
      sums[1] += left.y * right;
      sums[2] += left.z * right;
      sums[3] += left.w * right;
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 4u; j++) {
      let row = row0 + 4u * local.y + i;
      let col = col0 + 4u * local.x + j;
      if (row < M && col < N) {
        var sum = sums[i][j];
        if (ACCUMULATE != 0u) {
          sum += c[row * N + col];
        }
        c[row * N + col] = sum;
      }
    }
  }
}
