// Rotary position embedding in place on the q and k columns of qkv [rows, 3*NH*HS], Hugging Face's layout: dimension i of a head turns
// with i + HS/2. One invocation turns two neighbouring pairs. cos_sin holds per position HS/4 entries (cos, sin, cos, sin).
// Qkv, two numbers, comes from storageWgsl.ts.

override ROWS: u32;
override T: u32 = 1u;       // a row's position is row mod T
override NUM_HEADS: u32;
override HEAD_SIZE: u32;
override DIRECTION: f32 = 1.0; // -1 turns back

@group(0) @binding(0) var<storage, read_write> qkv: array<Qkv>;
@group(0) @binding(1) var<storage, read> cos_sin: array<vec4f>;

const WORKGROUP_SIZE = 64u;

fn turn(row: u32, position: u32, item: u32) {
  let steps = HEAD_SIZE / 4u; // entries of a head's half
  let head = item / steps;    // q's heads, then k's
  let step = item % steps;
  let low = (row * 3u * NUM_HEADS + head) * 2u * steps + step;
  let high = low + steps;
  let angle = cos_sin[position * steps + step];
  let cosine = angle.xz;
  let sine = angle.yw * DIRECTION;
  let a = loadQkv(qkv[low]);
  let b = loadQkv(qkv[high]);
  qkv[low] = storeQkv(a * cosine - b * sine);
  qkv[high] = storeQkv(b * cosine + a * sine);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn rotate(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * WORKGROUP_SIZE;
  let items = 2u * NUM_HEADS * HEAD_SIZE / 4u;
  let row = index / items;
  if (row >= ROWS) { return; }
  turn(row, row % T, index % items);
}
