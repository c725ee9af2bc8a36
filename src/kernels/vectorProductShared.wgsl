// A set of rows is shared by 32 neighbouring invocations, whose sums are added in a fixed tree.
const LANES = 32u;
const WORKGROUP_SIZE = 64u;

var<workgroup> product_shares: array<vec4f, WORKGROUP_SIZE>;
var<workgroup> square_shares: array<f32, WORKGROUP_SIZE>;

fn gathered(local: u32, own: Sums) -> Sums {
  product_shares[local] = own.products;
  square_shares[local] = own.squares;
  for (var count = LANES / 2u; count > 0u; count /= 2u) {
    workgroupBarrier();
    if (local % LANES < count) {
      product_shares[local] += product_shares[local + count];
      square_shares[local] += square_shares[local + count];
    }
  }
  workgroupBarrier();
  let first = local - local % LANES;
  return Sums(product_shares[first], square_shares[first]);
}
