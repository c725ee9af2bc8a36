// y[N] (= | +=) W[N, K] . x[K], K a multiple of 4: the matrix-vector product of generating one token (form NT, M = 1). Two entry points:
// `rows` gives each invocation four whole rows (no barrier: for software adapters); `sharedRow` gives each row a workgroup of 64 whose
// invocations read neighbouring vec4f (coalesced: for real GPUs) and adds the 64 partial sums in a fixed tree. X_VECTORS and W_VECTORS are appended as
// const: arrays of known size are cheaper to index on SwiftShader.
override N: u32;
override K: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> x: array<vec4f, X_VECTORS>;
@group(0) @binding(1) var<storage, read> w: array<vec4f, W_VECTORS>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn put(row: u32, sum: f32) {
  if (row < N) {
    if (ACCUMULATE != 0u) {
      y[row] += sum;
    } else {
      y[row] = sum;
    }
  }
}

@compute @workgroup_size(16)
fn rows(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = (id.x + id.y * groups.x * 16u) * 4u;
  let at0 = min(row, N - 1u) * (K / 4u);
  let at1 = min(row + 1u, N - 1u) * (K / 4u);
  let at2 = min(row + 2u, N - 1u) * (K / 4u);
  let at3 = min(row + 3u, N - 1u) * (K / 4u);
  var sum0 = 0.0;
  var sum1 = 0.0;
  var sum2 = 0.0;
  var sum3 = 0.0;
  for (var i = 0u; i < K / 4u; i++) {
    let v = x[i];
    sum0 += dot(v, w[at0 + i]);
    sum1 += dot(v, w[at1 + i]);
    sum2 += dot(v, w[at2 + i]);
    sum3 += dot(v, w[at3 + i]);
  }
  put(row, sum0);
  put(row + 1u, sum1);
  put(row + 2u, sum2);
  put(row + 3u, sum3);
}

var<workgroup> partial: array<f32, 64>;

@compute @workgroup_size(64)
fn sharedRow(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = group.x + group.y * groups.x;
  var sum = 0.0;
  for (var i = local; i < K / 4u; i += 64u) {
    sum += dot(x[i], w[min(row, N - 1u) * (K / 4u) + i]);
  }
  partial[local] = sum;
  workgroupBarrier();
  for (var half = 32u; half > 0u; half /= 2u) {
    if (local < half) {
      partial[local] += partial[local + half];
    }
    workgroupBarrier();
  }
  if (local == 0u) {
    put(row, partial[0]);
  }
}
