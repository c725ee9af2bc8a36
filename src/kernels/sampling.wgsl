// The next token from logits, by one workgroup in one dispatch: the likeliest, or one drawn with temperature from the top-k and the nucleus (Holtzman et al. 2019, https://arxiv.org/abs/1904.09751). Each invocation owns
// a stretch of the logits. Nothing is sorted: the least weight that is kept is found by search over the bits of positive floats, which order as the floats do. LANES is 4 on software adapters, where an invocation more is a
// barrier more. Logits are padded to whole vec4u with -1e30; VECS vec4u lie in each stretch, the last may be short.
override LANES: u32;
override NUM_VECS: u32; // vec4u of logits
override VECS: u32;     // ceil(NUM_VECS / LANES)

@group(0) @binding(0) var<storage, read> logits: array<vec4u>; // float32 bits: compilers may assume that floats are never NaN
@group(0) @binding(1) var<storage, read> options: array<f32>; // temperature, topP, topK (0: all)
@group(0) @binding(2) var<storage, read> draws: array<f32>; // per position, in [0, 1)
@group(0) @binding(3) var<storage, read_write> weights: array<vec4f>; // scratch
@group(0) @binding(4) var<storage, read_write> tokens: array<u32>; // token of position p + 1 is chosen from the logits at p
@group(0) @binding(5) var<storage, read_write> state: array<u32>; // [0]: position, [1]: 1 + the first position whose logits were not finite, or 0

// advance
@group(0) @binding(0) var<storage, read_write> own_state: array<u32>;

const EXPONENT = 0x7f800000u;
const NOTHING = 0xffffffffu;
// Largest weight is 1.0, whose bits are below 2^30: ten digits of three bits.
const FIRST_STEP = 0x8000000u;

var<workgroup> shares: array<vec4f, 2u * LANES>;

struct Best {
  value: f32,
  id: u32,
  is_finite: bool,
}

fn stretchOf(lane: u32) -> vec2u {
  return min(vec2u(lane, lane + 1u) * VECS, vec2u(NUM_VECS));
}

fn largestOf(lane: u32) -> Best {
  let stretch = stretchOf(lane);
  var best = Best(-3.4e38, 0u, true);
  for (var i = stretch.x; i < stretch.y; i++) {
    let bits = logits[i];
    if (any((bits & vec4u(EXPONENT)) == vec4u(EXPONENT))) { best.is_finite = false; }
    let values = bitcast<vec4f>(bits);
    let largest = max(max(values.x, values.y), max(values.z, values.w));
    if (largest > best.value) {
      best.value = largest;
      // The first of equals.
      best.id = 4u * i + select(select(select(3u, 2u, values.z == largest), 1u, values.y == largest), 0u, values.x == largest);
    }
  }
  shares[lane] = vec4f(best.value, bitcast<f32>(best.id), select(0.0, 1.0, best.is_finite), 0.0);
  workgroupBarrier();
  best = Best(-3.4e38, 0u, true);
  for (var other = 0u; other < LANES; other++) {
    let share = shares[other];
    if (share.x > best.value) {
      best.value = share.x;
      best.id = bitcast<u32>(share.y);
    }
    if (share.z == 0.0) { best.is_finite = false; }
  }
  workgroupBarrier();
  return best;
}

/** Sums of all lanes' shares, in the same order in every lane. */
fn added(lane: u32, first: vec4f, second: vec4f) -> array<vec4f, 2> {
  shares[2u * lane] = first;
  shares[2u * lane + 1u] = second;
  workgroupBarrier();
  var sums = array<vec4f, 2>();
  for (var other = 0u; other < LANES; other++) {
    sums[0] += shares[2u * other];
    sums[1] += shares[2u * other + 1u];
  }
  workgroupBarrier();
  return sums;
}

/** What the weights from `least` on amount to: their sum, or with `counting` how many they are; for least + step * (0 to 7). */
fn amounts(lane: u32, least: u32, step: u32, counting: bool) -> array<vec4f, 2> {
  let stretch = stretchOf(lane);
  var first = vec4f(0.0);
  var second = vec4f(0.0);
  for (var i = stretch.x; i < stretch.y; i++) {
    let here = weights[i];
    let bits = bitcast<vec4u>(here);
    let amount = select(here, vec4f(1.0), vec4<bool>(counting));
    first += vec4f(
      dot(amount, vec4f(bits >= vec4u(least))), dot(amount, vec4f(bits >= vec4u(least + step))),
      dot(amount, vec4f(bits >= vec4u(least + 2u * step))), dot(amount, vec4f(bits >= vec4u(least + 3u * step))));
    second += vec4f(
      dot(amount, vec4f(bits >= vec4u(least + 4u * step))), dot(amount, vec4f(bits >= vec4u(least + 5u * step))),
      dot(amount, vec4f(bits >= vec4u(least + 6u * step))), dot(amount, vec4f(bits >= vec4u(least + 7u * step))));
  }
  return added(lane, first, second);
}

/** The largest bits from which on the weights amount to at least `wanted`. */
fn leastFor(lane: u32, wanted: f32, counting: bool) -> u32 {
  var least = 0u;
  for (var step = FIRST_STEP; step > 0u; step /= 8u) {
    let sums = amounts(lane, least, step, counting);
    let reached = vec4u(sums[0] >= vec4f(wanted)) + vec4u(sums[1] >= vec4f(wanted));
    // The first is reached anyway, whatever rounding says.
    let digit = reached.x + reached.y + reached.z + reached.w;
    least += step * (max(digit, 1u) - 1u);
  }
  return least;
}

/** Kept are all weights above `least` and the first `num_least` of those equal to it. */
struct Kept {
  least: u32,
  num_least: f32,
  mass: f32,
}

fn kept(lane: u32) -> Kept {
  var result = Kept(0u, 1e9, amounts(lane, 0u, 1u, false)[0].x);
  let top_k = options[2];
  if (top_k > 0.0) {
    let least = leastFor(lane, min(top_k, f32(NUM_VECS * 4u)), true);
    let num_above = amounts(lane, least + 1u, 1u, true)[0].x;
    let above = amounts(lane, least + 1u, 1u, false)[0].x;
    result = Kept(least, top_k - num_above, above + (top_k - num_above) * bitcast<f32>(least));
  }
  if (options[1] < 1.0) {
    let wanted = options[1] * result.mass;
    let least = max(leastFor(lane, wanted, false), result.least);
    let above = amounts(lane, least + 1u, 1u, false)[0].x;
    var num_least = max(1.0, ceil((wanted - above) / max(bitcast<f32>(least), 1e-38)));
    if (least == result.least) { num_least = min(num_least, result.num_least); }
    result = Kept(least, num_least, above + num_least * bitcast<f32>(least));
  }
  return result;
}

@compute @workgroup_size(LANES)
fn choose(@builtin(local_invocation_index) lane: u32) {
  let best = largestOf(lane);
  let position = state[0];
  let stretch = stretchOf(lane);
  if (options[0] > 0.0) {
    for (var i = stretch.x; i < stretch.y; i++) { weights[i] = exp((bitcast<vec4f>(logits[i]) - best.value) / options[0]); }
    let keep = kept(lane);
    // How many equals of the least weight lie in earlier stretches.
    var equals = 0.0;
    for (var i = stretch.x; i < stretch.y; i++) { equals += dot(vec4f(1.0), vec4f(bitcast<vec4u>(weights[i]) == vec4u(keep.least))); }
    shares[lane] = vec4f(equals, 0.0, 0.0, 0.0);
    workgroupBarrier();
    var first_equal = 0.0;
    for (var other = 0u; other < lane; other++) { first_equal += shares[other].x; }
    workgroupBarrier();
    // What is not kept becomes 0.
    var own = 0.0;
    var seen = first_equal;
    for (var i = stretch.x; i < stretch.y; i++) {
      var here = weights[i];
      let bits = bitcast<vec4u>(here);
      for (var k = 0u; k < 4u; k++) {
        if (bits[k] == keep.least) {
          if (seen >= keep.num_least) { here[k] = 0.0; }
          seen += 1.0;
        } else if (bits[k] < keep.least) {
          here[k] = 0.0;
        }
      }
      weights[i] = here;
      own += dot(here, vec4f(1.0));
    }
    shares[lane] = vec4f(own, 0.0, 0.0, 0.0);
    workgroupBarrier();
    var before = 0.0;
    var total = 0.0;
    var last = 0u;
    for (var other = 0u; other < LANES; other++) {
      let share = shares[other].x;
      if (other < lane) { before += share; }
      total += share;
      if (share > 0.0) { last = other; }
    }
    workgroupBarrier();
    let draw = draws[position] * total;
    let is_here = own > 0.0 && draw >= before && (draw < before + own || lane == last);
    shares[lane].x = 0.0;
    if (is_here) {
      var left = draw - before;
      var chosen = NOTHING;
      var fallback = best.id;
      for (var i = stretch.x; i < stretch.y && chosen == NOTHING; i++) {
        let here = weights[i];
        for (var k = 0u; k < 4u; k++) {
          if (here[k] > 0.0 && chosen == NOTHING) {
            left -= here[k];
            fallback = 4u * i + k;
            if (left < 0.0) { chosen = fallback; }
          }
        }
      }
      tokens[position + 1u] = select(chosen, fallback, chosen == NOTHING);
    }
  } else if (lane == 0u) {
    tokens[position + 1u] = best.id;
  }
  workgroupBarrier();
  if (lane == 0u) {
    if (!best.is_finite) {
      // A token that can be looked up.
      tokens[position + 1u] = 0u;
      if (state[1] == 0u) { state[1] = position + 1u; }
    }
    state[0] = position + 1u;
  }
}

@compute @workgroup_size(1)
fn advance() {
  own_state[0] += 1u;
}
