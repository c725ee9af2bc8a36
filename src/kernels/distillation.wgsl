// The student's mixed loss of rows of logits [rows, V] and its gradient in place, one workgroup a row, with z the student's and t the teacher's logits:
//   losses[row] = (1 - weight) * (log(sum exp(z)) - z[target]) + weight * tau^2 * KL(softmax(t / tau) || softmax(z / tau)), in nats
//   logits <- ((1 - weight) * (softmax(z) - onehot(target)) + weight * tau * (softmax(z / tau) - softmax(t / tau))) * lossScale
// A target outside the vocabulary (0xFFFFFFFF by convention) makes loss and gradient 0.
// Element, LANES, ... come from elementWgsl.ts, StepScalars from stepScalars.ts.

override ELEMENTS_PER_ROW: u32;
override WORKGROUP_SIZE: u32;

struct Mix {
  weight: f32,
  temperature: f32,
}

@group(0) @binding(0) var<storage, read_write> logits: array<Element>;
@group(0) @binding(1) var<storage, read> teacher_logits: array<Element>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
@group(0) @binding(4) var<storage, read> scalars: StepScalars;
@group(0) @binding(5) var<storage, read> distillation: Mix;

const LOWEST = -3.4028234e38;

var<workgroup> shared_values: array<vec3f, WORKGROUP_SIZE>;

fn largestInWorkgroup(invocation: u32, value: vec3f) -> vec3f {
  shared_values[invocation] = value;
  workgroupBarrier();
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
    if (invocation < half) { shared_values[invocation] = max(shared_values[invocation], shared_values[invocation + half]); }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&shared_values[0]);
}

fn sumInWorkgroup(invocation: u32, value: vec3f) -> vec3f {
  shared_values[invocation] = value;
  workgroupBarrier();
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
    if (invocation < half) { shared_values[invocation] += shared_values[invocation + half]; }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&shared_values[0]);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn forwardBackward(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let row = workgroup.x;
  let start = row * ELEMENTS_PER_ROW;
  let token = targets[row];
  if (token >= ELEMENTS_PER_ROW * LANES) {
    // Assigned, not multiplied by 0: an ignored row must not carry its own NaN on.
    for (var i = invocation; i < ELEMENTS_PER_ROW; i += WORKGROUP_SIZE) { logits[start + i] = Element(0.0); }
    if (invocation == 0u) { losses[row] = 0.0; }
    return;
  }
  let target_element = token / LANES;
  let target_lane = token % LANES;
  let owns_target = target_element % WORKGROUP_SIZE == invocation;
  var target_logit = 0.0;
  if (owns_target) { target_logit = laneOf(logits[start + target_element], target_lane); }

  var largest_student = Element(LOWEST);
  var largest_teacher = Element(LOWEST);
  for (var i = invocation; i < ELEMENTS_PER_ROW; i += WORKGROUP_SIZE) {
    largest_student = max(largest_student, logits[start + i]);
    largest_teacher = max(largest_teacher, teacher_logits[start + i]);
  }
  let largest = largestInWorkgroup(invocation, vec3f(largestOf(largest_student), largestOf(largest_teacher), 0.0));

  let weight = distillation.weight;
  let tau = distillation.temperature;
  var plain_sums = Element(0.0);
  var student_sums = Element(0.0);
  var teacher_sums = Element(0.0);
  for (var i = invocation; i < ELEMENTS_PER_ROW; i += WORKGROUP_SIZE) {
    let z = logits[start + i] - largest.x;
    plain_sums += exp(z);
    student_sums += exp(z / tau);
    teacher_sums += exp((teacher_logits[start + i] - largest.y) / tau);
  }
  let sums = sumInWorkgroup(invocation, vec3f(sumOf(plain_sums), sumOf(student_sums), sumOf(teacher_sums)));

  let plain_factor = (1.0 - weight) * scalars.lossScale;
  let soft_factor = weight * tau * scalars.lossScale;
  var divergences = Element(0.0);
  for (var i = invocation; i < ELEMENTS_PER_ROW; i += WORKGROUP_SIZE) {
    let z = logits[start + i] - largest.x;
    let z_soft = z / tau;
    let t_soft = (teacher_logits[start + i] - largest.y) / tau;
    let student = exp(z_soft) / sums.y;
    let teacher = exp(t_soft) / sums.z;
    divergences += teacher * (t_soft - z_soft);
    logits[start + i] = exp(z) * (plain_factor / sums.x) + (student - teacher) * soft_factor;
  }
  // One logarithm of the ratio, which is near 1 where tau is large: the rounding of two logarithms would be magnified by tau^2.
  let divergence = sumInWorkgroup(invocation, vec3f(sumOf(divergences), 0.0, 0.0)).x + log(sums.y / sums.z);
  if (owns_target) {
    logits[start + target_element] -= unitElement(target_lane) * plain_factor;
    losses[row] = (1.0 - weight) * ((largest.x - target_logit) + log(sums.x)) + weight * tau * tau * divergence;
  }
}
