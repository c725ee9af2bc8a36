// Attention of one new token against the key and value caches [maxT, NH*HS]. `append` writes the token's k and v at its position, `attend` then gives
// each head one workgroup, which takes the cached keys sixty-four at a time: one key an invocation for the scores, then one channel an
// invocation for the weighted values, under an online softmax that every invocation tracks alike.

override NUM_HEADS: u32;
override HEAD_SIZE: u32;
override SCALE: f32; // 1 / sqrt(HEAD_SIZE)

// append, one vec4f an invocation
@group(0) @binding(0) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(1) var<storage, read> state: array<u32>; // [0]: the token's position
@group(0) @binding(2) var<storage, read_write> key_cache: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> value_cache: array<vec4f>;

// attend (qkv at 0, state at 1)
@group(0) @binding(2) var<storage, read> keys: array<vec4f>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

const WORKGROUP_SIZE = 64u;
const CHANNELS_PER_INVOCATION = 2u; // head sizes up to 128
const LOWEST = -1e30;

var<workgroup> scores: array<f32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn append(@builtin(global_invocation_id) id: vec3u) {
  let width = NUM_HEADS * HEAD_SIZE / 4u;
  if (id.x >= width) { return; }
  let at = state[0] * width + id.x;
  key_cache[at] = qkv[width + id.x];
  value_cache[at] = qkv[2u * width + id.x];
}

fn scoreOf(head: u32, key: u32) -> f32 {
  let head_vecs = HEAD_SIZE / 4u;
  let query_start = head * head_vecs;
  let key_start = (key * NUM_HEADS + head) * head_vecs;
  var score = 0.0;
  for (var d = 0u; d < head_vecs; d++) { score += dot(qkv[query_start + d], keys[key_start + d]); }
  return score * SCALE;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn attend(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) invocation: u32) {
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
