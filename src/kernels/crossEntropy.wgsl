// Next-token loss of rows of logits [rows, V], one workgroup a row: losses[row] = log(sum exp(row)) - row[target], in nats, and (forwardBackward)
// logits <- (softmax - onehot(target)) * lossScale in place. A target outside the vocabulary (0xFFFFFFFF by convention) makes loss and gradient 0.
// Element, LANES, ... come from elementWgsl.ts, StepScalars from stepScalars.ts.

override ELEMENTS_PER_ROW: u32;
override WORKGROUP_SIZE: u32;

@group(0) @binding(0) var<storage, read_write> logits: array<Element>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read_write> losses: array<f32>;
@group(0) @binding(3) var<storage, read> scalars: StepScalars;

const LOWEST = -3.4028234e38;

var<workgroup> shared_values: array<f32, WORKGROUP_SIZE>;

fn largestInWorkgroup(invocation: u32, value: f32) -> f32 {
  shared_values[invocation] = value;
  workgroupBarrier();
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
    if (invocation < half) { shared_values[invocation] = max(shared_values[invocation], shared_values[invocation + half]); }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&shared_values[0]);
}

fn sumInWorkgroup(invocation: u32, value: f32) -> f32 {
  shared_values[invocation] = value;
  workgroupBarrier();
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
    if (invocation < half) { shared_values[invocation] += shared_values[invocation + half]; }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&shared_values[0]);
}

struct Row {
  start: u32,         // of the row in logits, in Elements
  target_element: u32,
  target_lane: u32,
  ignored: bool,
}

fn rowOf(index: u32) -> Row {
  let token = targets[index];
  let start = index * ELEMENTS_PER_ROW;
  return Row(start, start + token / LANES, token % LANES, token >= ELEMENTS_PER_ROW * LANES);
}

fn largestOfRow(row: Row, invocation: u32) -> f32 {
  var largest = Element(LOWEST);
  for (var i = invocation; i < ELEMENTS_PER_ROW; i += WORKGROUP_SIZE) { largest = max(largest, logits[row.start + i]); }
  return largestInWorkgroup(invocation, largestOf(largest));
}

fn ownsTarget(row: Row, invocation: u32) -> bool {
  return !row.ignored && (row.target_element - row.start) % WORKGROUP_SIZE == invocation;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn forward(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let row = rowOf(workgroup.x);
  let largest = largestOfRow(row, invocation);
  var sums = Element(0.0);
  for (var i = invocation; i < ELEMENTS_PER_ROW; i += WORKGROUP_SIZE) { sums += exp(logits[row.start + i] - largest); }
  let sum = sumInWorkgroup(invocation, sumOf(sums));
  if (ownsTarget(row, invocation)) { losses[workgroup.x] = (largest - laneOf(logits[row.target_element], row.target_lane)) + log(sum); }
  if (row.ignored && invocation == 0u) { losses[workgroup.x] = 0.0; }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn forwardBackward(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let row = rowOf(workgroup.x);
  let largest = largestOfRow(row, invocation);
  var target_logit = 0.0;
  if (ownsTarget(row, invocation)) { target_logit = laneOf(logits[row.target_element], row.target_lane); }
  var sums = Element(0.0);
  for (var i = invocation; i < ELEMENTS_PER_ROW; i += WORKGROUP_SIZE) {
    let exponential = exp(logits[row.start + i] - largest);
    sums += exponential;
    logits[row.start + i] = exponential;
  }
  let sum = sumInWorkgroup(invocation, sumOf(sums));
  if (ownsTarget(row, invocation)) { losses[workgroup.x] = (largest - target_logit) + log(sum); }
  if (row.ignored && invocation == 0u) { losses[workgroup.x] = 0.0; }
  if (row.ignored) {
    // Assigned, not multiplied by 0: an ignored row must not carry its own NaN on.
    for (var i = invocation; i < ELEMENTS_PER_ROW; i += WORKGROUP_SIZE) { logits[row.start + i] = Element(0.0); }
    return;
  }
  let factor = scalars.lossScale / sum;
  for (var i = invocation; i < ELEMENTS_PER_ROW; i += WORKGROUP_SIZE) { logits[row.start + i] *= factor; }
  if (ownsTarget(row, invocation)) { logits[row.target_element] -= unitElement(row.target_lane) * scalars.lossScale; }
}
