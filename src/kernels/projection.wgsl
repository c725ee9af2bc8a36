// Projection of an expert (https://arxiv.org/abs/2402.01093): weight[size] = sum_r coefficients[r] * T[r][size] over the H slices bound here, and its
// gradient dCoefficients[r] = dot(dWeight, T[r]). Slices are the raw bytes of the pack; sliceElement(r, i), which decodes them, is appended by
// projection.ts and reads @binding(0). Element and LANES come from elementWgsl.ts.

override H: u32; // slices bound
override ELEMENTS_PER_SLICE: u32;
override FIRST_SLICE: u32; // index of slice 0 among the coefficients
override ACCUMULATE: bool = false;
override NUM_PARTIALS: u32 = 64u; // backward: partial sums per slice

@group(0) @binding(1) var<storage, read> coefficients: array<f32>;
@group(0) @binding(2) var<storage, read_write> weight: array<Element>;

@group(0) @binding(1) var<storage, read> d_weight: array<Element>;
@group(0) @binding(2) var<storage, read_write> slice_partials: array<f32>;

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> d_coefficients: array<f32>;

const WORKGROUP_SIZE = 64u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * WORKGROUP_SIZE;
  if (i >= ELEMENTS_PER_SLICE) { return; }
  var sum = Element(0.0);
  if (ACCUMULATE) { sum = weight[i]; }
  for (var r = 0u; r < H; r++) { sum += coefficients[FIRST_SLICE + r] * sliceElement(r, i); }
  weight[i] = sum;
}

// Invocation (p, r) adds up the products of slice r at p, p + NUM_PARTIALS, ...
@compute @workgroup_size(WORKGROUP_SIZE)
fn products(@builtin(global_invocation_id) id: vec3u) {
  var sum = Element(0.0);
  for (var i = id.x; i < ELEMENTS_PER_SLICE; i += NUM_PARTIALS) { sum += d_weight[i] * sliceElement(id.y, i); }
  slice_partials[id.y * NUM_PARTIALS + id.x] = sumOf(sum);
}

var<workgroup> sums: array<f32, WORKGROUP_SIZE>;

// One workgroup per slice.
@compute @workgroup_size(WORKGROUP_SIZE)
fn finish(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) invocation: u32) {
  var sum = 0.0;
  for (var i = invocation; i < NUM_PARTIALS; i += WORKGROUP_SIZE) { sum += partials[workgroup.x * NUM_PARTIALS + i]; }
  sums[invocation] = sum;
  workgroupBarrier();
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
    if (invocation < half) { sums[invocation] += sums[invocation + half]; }
    workgroupBarrier();
  }
  if (invocation == 0u) { d_coefficients[FIRST_SLICE + workgroup.x] = sums[0]; }
}
