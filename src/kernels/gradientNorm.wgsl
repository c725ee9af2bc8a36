// Euclidean norm of gradients that lie in several buffers, in two deterministic stages: `squares` leaves one partial sum per invocation,
// `finish` (one workgroup) adds them up and writes norm[0] = the norm, norm[1] = min(1, clipNorm / norm), both
// of the gradients without the scale that they carry: what norm[1] multiplies is neither scaled nor too large afterwards.
// Sums go through blocks of BLOCK, so that an error grows with the number of blocks and not of elements.

override LAST_LANES: u32 = 4u; // floats of the last vec4f that belong to the segment
override NUM_PARTIALS: u32 = 0u; // finish: partials of all segments together

@group(0) @binding(0) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> segment_partials: array<f32>;

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read> scalars: StepScalars;
@group(0) @binding(2) var<storage, read_write> norm: array<f32>;

const BLOCK = 8u;
const SQUARES_SIZE = 64u;
const FINISH_SIZE = 256u;

@compute @workgroup_size(SQUARES_SIZE)
fn squares(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let stride = groups.x * SQUARES_SIZE;
  let count = arrayLength(&gradients);
  var total = vec4f(0.0);
  var i = id.x;
  while (i < count) {
    var block = vec4f(0.0);
    for (var k = 0u; k < BLOCK && i < count; k++) {
      var gradient = gradients[i];
      // The last vec4f may reach into the padding behind the segment.
      if (i == count - 1u) { gradient = select(vec4f(0.0), gradient, vec4u(0u, 1u, 2u, 3u) < vec4u(LAST_LANES)); }
      block += gradient * gradient;
      i += stride;
    }
    total += block;
  }
  segment_partials[id.x] = (total.x + total.y) + (total.z + total.w);
}

var<workgroup> sums: array<f32, FINISH_SIZE>;

@compute @workgroup_size(FINISH_SIZE)
fn finish(@builtin(local_invocation_index) invocation: u32) {
  var total = 0.0;
  var i = invocation;
  while (i < NUM_PARTIALS) {
    var block = 0.0;
    for (var k = 0u; k < BLOCK && i < NUM_PARTIALS; k++) {
      block += partials[i];
      i += FINISH_SIZE;
    }
    total += block;
  }
  sums[invocation] = total;
  workgroupBarrier();
  for (var half = FINISH_SIZE / 2u; half > 0u; half /= 2u) {
    if (invocation < half) { sums[invocation] += sums[invocation + half]; }
    workgroupBarrier();
  }
  if (invocation == 0u) {
    let global_norm = sqrt(sums[0]) * scalars.inverseGradientScale;
    norm[0] = global_norm;
    norm[1] = min(1.0, scalars.clipNorm / max(global_norm, 1e-30)) * scalars.inverseGradientScale;
  }
}
