// Keys and values out of qkv [ROWS, 3C] into caches whose rows are tokens; one invocation per vec4f of each.

override ROWS: u32;
override ROW_VECS: u32; // C / 4

@group(0) @binding(0) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> key_cache: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> value_cache: array<vec4f>;

const WORKGROUP_SIZE = 64u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * WORKGROUP_SIZE;
  let row = index / ROW_VECS;
  if (row >= ROWS) { return; }
  // A row of qkv is a query, a key and a value.
  let key_at = index + (2u * row + 1u) * ROW_VECS;
  key_cache[index] = qkv[key_at];
  value_cache[index] = qkv[key_at + ROW_VECS];
}
