// One AdamW step (https://arxiv.org/abs/1711.05101) on a contiguous range of parameters, in place, one invocation per vec4f. The gradient is first
// multiplied by norm[1], the clip scale that gradientNorm left on the GPU. Where norm[0] is not finite nothing changes: the step after it is on its way before the CPU knows.
// StepScalars comes from stepScalars.ts.

override LAST_LANES: u32 = 4u; // floats of the last vec4f that belong to the range
override DECAYS: bool;

@group(0) @binding(0) var<storage, read_write> weights: array<vec4f>;
@group(0) @binding(1) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> first_moments: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> second_moments: array<vec4f>;
@group(0) @binding(4) var<storage, read> scalars: StepScalars;
@group(0) @binding(5) var<storage, read> norm: vec2u; // bits of floats, as one load

const WORKGROUP_SIZE = 256u;
// All ones in infinity and NaN. Tested as an integer: compilers may assume that floats are finite.
const EXPONENT = 0x7f800000u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * WORKGROUP_SIZE;
  let count = arrayLength(&weights);
  let clip = norm;
  if (i >= count || (clip.x & EXPONENT) == EXPONENT) { return; }
  let weight = weights[i];
  let old_m = first_moments[i];
  let old_v = second_moments[i];
  let gradient = gradients[i] * bitcast<f32>(clip.y);
  var m = scalars.beta1 * old_m + scalars.oneMinusBeta1 * gradient;
  var v = scalars.beta2 * old_v + scalars.oneMinusBeta2 * gradient * gradient;
  var change = (m / scalars.biasCorrection1) / (sqrt(v / scalars.biasCorrection2) + scalars.epsilon);
  if (DECAYS) { change += scalars.weightDecay * weight; }
  var updated = weight - scalars.learningRate * change;
  if (i == count - 1u) {
    // The last vec4f may reach into the padding behind the range, which stays as it is.
    let mine = vec4u(0u, 1u, 2u, 3u) < vec4u(LAST_LANES);
    m = select(old_m, m, mine);
    v = select(old_v, v, mine);
    updated = select(weight, updated, mine);
  }
  first_moments[i] = m;
  second_moments[i] = v;
  weights[i] = updated;
}
