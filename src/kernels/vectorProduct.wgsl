// The matrix products of generating one token, each with what precedes and follows it: RMSNorm of x [K] (its sum of squares is taken on the way, its scale applied to the finished sums), product with W [N, K], then
// nothing (normProduct), rotary position and key-value cache (normQkv), or SwiGLU (normSwiglu). A set of four rows belongs to LANES invocations, each of which takes every LANES-th vec4f of K; how their sums come
// together is appended: vectorProductAlone.wgsl for one lane a set (no barriers: software adapters), vectorProductShared.wgsl for many (neighbouring loads: real GPUs). X_VECTORS and W_VECTORS are
// appended as const: arrays of known size are cheaper to index on SwiftShader.
override N: u32;
override K_VECS: u32; // K / 4
override EPS: f32;
override NUM_HEADS: u32 = 1u;
override HEAD_SIZE: u32 = 4u;

@group(0) @binding(0) var<storage, read> x: array<vec4f, X_VECTORS>;
@group(0) @binding(1) var<storage, read> norm_weight: array<vec4f, X_VECTORS>;
@group(0) @binding(2) var<storage, read> w: array<vec4f, W_VECTORS>;

// normProduct
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// normQkv: caches [maxT, NUM_HEADS * HEAD_SIZE]
@group(0) @binding(3) var<storage, read> cos_sin: array<vec4f>; // per position HEAD_SIZE / 4 entries (cos, sin, cos, sin)
@group(0) @binding(4) var<storage, read> state: array<u32>; // [0]: the token's position
@group(0) @binding(5) var<storage, read_write> query: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> key_cache: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> value_cache: array<vec2f>;

// normSwiglu: N is both gate's and up's rows, gate first
@group(0) @binding(3) var<storage, read_write> activation: array<vec2f>;

struct Sums {
  products: vec4f,
  squares: f32,
}

fn sumsOf(rows: vec4u, lane: u32) -> Sums {
  let start = rows * K_VECS;
  var sum0 = 0.0;
  var sum1 = 0.0;
  var sum2 = 0.0;
  var sum3 = 0.0;
  var squares = 0.0;
  for (var i = lane; i < K_VECS; i += LANES) {
    let v = x[i];
    let n = v * norm_weight[i];
    squares += dot(v, v);
    sum0 += dot(n, w[start.x + i]);
    sum1 += dot(n, w[start.y + i]);
    sum2 += dot(n, w[start.z + i]);
    sum3 += dot(n, w[start.w + i]);
  }
  return Sums(vec4f(sum0, sum1, sum2, sum3), squares);
}

fn normed(sums: Sums) -> vec4f {
  return sums.products / sqrt(sums.squares / f32(K_VECS * 4u) + EPS);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn normProduct(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let index = id.x + id.y * groups.x * WORKGROUP_SIZE;
  let lane = index % LANES;
  let row = index / LANES * 4u;
  // An invocation without rows of its own still meets the barriers.
  let sums = gathered(local, sumsOf(min(row + vec4u(0u, 1u, 2u, 3u), vec4u(N - 1u)), lane));
  if (lane != 0u) { return; }
  let result = normed(sums);
  if (row < N) { y[row] = result.x; }
  if (row + 1u < N) { y[row + 1u] = result.y; }
  if (row + 2u < N) { y[row + 2u] = result.z; }
  if (row + 3u < N) { y[row + 3u] = result.w; }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn normQkv(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let index = id.x + id.y * groups.x * WORKGROUP_SIZE;
  let lane = index % LANES;
  let steps = HEAD_SIZE / 4u; // a set is two neighbouring pairs, each of a dimension and the one half a head further
  let per_section = NUM_HEADS * steps;
  let row_set = min(index / LANES, 3u * per_section - 1u);
  let section = row_set / per_section; // q, k, v
  let head = row_set % per_section / steps;
  let step = row_set % steps;
  let row = (section * NUM_HEADS + head) * HEAD_SIZE + 2u * step;
  let half_head = HEAD_SIZE / 2u;
  let sums = gathered(local, sumsOf(vec4u(row, row + 1u, row + half_head, row + half_head + 1u), lane));
  if (lane != 0u || index / LANES != row_set) { return; }
  let result = normed(sums);
  let position = state[0];
  let low = head * half_head + step;
  let high = low + steps;
  let cached = position * NUM_HEADS * half_head;
  if (section == 2u) {
    value_cache[cached + low] = result.xy;
    value_cache[cached + high] = result.zw;
    return;
  }
  let angle = cos_sin[position * steps + step];
  let turned_low = result.xy * angle.xz - result.zw * angle.yw;
  let turned_high = result.zw * angle.xz + result.xy * angle.yw;
  if (section == 1u) {
    key_cache[cached + low] = turned_low;
    key_cache[cached + high] = turned_high;
  } else {
    query[low] = turned_low;
    query[high] = turned_high;
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn normSwiglu(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let index = id.x + id.y * groups.x * WORKGROUP_SIZE;
  let lane = index % LANES;
  let row_set = min(index / LANES, N / 4u - 1u);
  let row = 2u * row_set;
  let sums = gathered(local, sumsOf(vec4u(row, row + 1u, N / 2u + row, N / 2u + row + 1u), lane));
  if (lane != 0u || index / LANES != row_set) { return; }
  let result = normed(sums);
  let gate = result.xy;
  // Through exp(-|gate|), which cannot overflow.
  let e = exp(-abs(gate));
  activation[row_set] = gate * (select(e, vec2f(1.0), gate >= vec2f(0.0)) / (1.0 + e)) * result.zw;
}
