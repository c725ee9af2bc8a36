// Numbers of f32 stored again as halves, four an invocation. Halves comes from storageWgsl.ts.

@group(0) @binding(0) var<storage, read> numbers: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> halves: array<Halves>;

const WORKGROUP_SIZE = 256u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * WORKGROUP_SIZE;
  if (i < arrayLength(&halves)) { halves[i] = storeHalves(numbers[i]); }
}
