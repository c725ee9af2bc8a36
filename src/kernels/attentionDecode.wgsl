// Attention of one new token's query [NH*HS] against the key and value caches [maxT, NH*HS], whose row state[0] is the token's own. Two ways. `sharedKeys` gives each head one workgroup, which takes the cached keys
// sixty-four at a time: one key an invocation for the scores, then one channel an invocation for the weighted values, under an online softmax that every invocation tracks alike. `alone` needs no barriers: each invocation
// computes all scores of its head, four keys at a time, and VECS vec4f of the result.

override NUM_HEADS: u32;
override HEAD_SIZE: u32;
override SCALE: f32; // 1 / sqrt(HEAD_SIZE)
override VECS: u32 = 1u;

@group(0) @binding(0) var<storage, read> query: array<vec4f>;
@group(0) @binding(1) var<storage, read> state: array<u32>; // [0]: the token's position
@group(0) @binding(2) var<storage, read> keys: array<vec4f>;

// sharedKeys
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

// alone
@group(0) @binding(3) var<storage, read> value_vecs: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out_vecs: array<vec4f>;

const WORKGROUP_SIZE = 64u;
const CHANNELS_PER_INVOCATION = 2u; // head sizes up to 128
const LOWEST = -1e30;

var<workgroup> scores: array<f32, WORKGROUP_SIZE>;

fn scoreOf(head: u32, key: u32) -> f32 {
  let head_vecs = HEAD_SIZE / 4u;
  let query_start = head * head_vecs;
  let key_start = (key * NUM_HEADS + head) * head_vecs;
  var score = 0.0;
  for (var d = 0u; d < head_vecs; d++) { score += dot(query[query_start + d], keys[key_start + d]); }
  return score * SCALE;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn sharedKeys(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  let num_keys = state[0] + 1u;
  var maximum = LOWEST;
  var total = 0.0;
  var weighted: array<f32, CHANNELS_PER_INVOCATION>;
  for (var first = 0u; first < num_keys; first += WORKGROUP_SIZE) {
    let here = min(WORKGROUP_SIZE, num_keys - first);
    if (invocation < here) { scores[invocation] = scoreOf(head, first + invocation); }
    workgroupBarrier();
    let old_maximum = maximum;
    for (var i = 0u; i < here; i++) { maximum = max(maximum, scores[i]); }
    let rescale = exp(old_maximum - maximum);
    total *= rescale;
    for (var c = 0u; c < CHANNELS_PER_INVOCATION; c++) { weighted[c] *= rescale; }
    for (var i = 0u; i < here; i++) {
      let p = exp(scores[i] - maximum);
      total += p;
      let value_start = ((first + i) * NUM_HEADS + head) * HEAD_SIZE;
      for (var c = 0u; c < CHANNELS_PER_INVOCATION; c++) {
        let channel = invocation + c * WORKGROUP_SIZE;
        if (channel < HEAD_SIZE) { weighted[c] += p * values[value_start + channel]; }
      }
    }
    workgroupBarrier();
  }
  for (var c = 0u; c < CHANNELS_PER_INVOCATION; c++) {
    let channel = invocation + c * WORKGROUP_SIZE;
    if (channel < HEAD_SIZE) { out[head * HEAD_SIZE + channel] = weighted[c] / total; }
  }
}

@compute @workgroup_size(4)
fn alone(@builtin(global_invocation_id) id: vec3u) {
  let head_vecs = HEAD_SIZE / 4u;
  let parts = head_vecs / VECS;
  let head = id.x / parts;
  if (head >= NUM_HEADS) { return; }
  let first_vec = id.x % parts * VECS;
  let num_keys = state[0] + 1u;
  let query_start = head * head_vecs;
  let row_vecs = NUM_HEADS * head_vecs;
  var maximum = LOWEST;
  var total = 0.0;
  var low = vec4f(0.0);
  var high = vec4f(0.0);
  for (var first = 0u; first < num_keys; first += 4u) {
    let key = first + vec4u(0u, 1u, 2u, 3u);
    // Keys past the last are the last once more, with weight 0.
    let at = min(key, vec4u(num_keys - 1u)) * row_vecs + query_start;
    var sums = vec4f(0.0);
    for (var d = 0u; d < head_vecs; d++) {
      let q = query[query_start + d];
      sums += vec4f(dot(q, keys[at.x + d]), dot(q, keys[at.y + d]), dot(q, keys[at.z + d]), dot(q, keys[at.w + d]));
    }
    let here = select(vec4f(LOWEST), sums * SCALE, key < vec4u(num_keys));
    let old_maximum = maximum;
    maximum = max(maximum, max(max(here.x, here.y), max(here.z, here.w)));
    let rescale = exp(old_maximum - maximum);
    let p = exp(here - maximum);
    total = total * rescale + dot(p, vec4f(1.0));
    let v = at + first_vec;
    low = low * rescale + p.x * value_vecs[v.x] + p.y * value_vecs[v.y] + p.z * value_vecs[v.z] + p.w * value_vecs[v.w];
    if (VECS > 1u) {
      high = high * rescale + p.x * value_vecs[v.x + 1u] + p.y * value_vecs[v.y + 1u] + p.z * value_vecs[v.z + 1u] + p.w * value_vecs[v.w + 1u];
    }
  }
  let to = query_start + first_vec;
  out_vecs[to] = low / total;
  if (VECS > 1u) { out_vecs[to + 1u] = high / total; }
}
