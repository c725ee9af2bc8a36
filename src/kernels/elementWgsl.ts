// A kernel over a row of any length is written once against `Element`, which is vec4f where the length divides by four and f32 elsewhere.
// The text is appended to the shader, so that the shader's own line numbers stay true.

const VECTOR = `
alias Element = vec4f;
const LANES: u32 = 4u;
fn laneOf(e: Element, lane: u32) -> f32 { return e[lane]; }
fn unitElement(lane: u32) -> Element { return select(vec4f(0.0), vec4f(1.0), vec4u(0u, 1u, 2u, 3u) == vec4u(lane)); }
fn sumOf(e: Element) -> f32 { return (e.x + e.y) + (e.z + e.w); }
fn largestOf(e: Element) -> f32 { return max(max(e.x, e.y), max(e.z, e.w)); }
`;

const SCALAR = `
alias Element = f32;
const LANES: u32 = 1u;
fn laneOf(e: Element, lane: u32) -> f32 { return e; }
fn unitElement(lane: u32) -> Element { return 1.0; }
fn sumOf(e: Element) -> f32 { return e; }
fn largestOf(e: Element) -> f32 { return e; }
`;

/** Floats per element for rows of `length` floats: 4 or 1. */
export function lanesFor(length: number): 1 | 4 {
  return length % 4 === 0 ? 4 : 1;
}

/** Declares Element, LANES, laneOf, unitElement, sumOf and largestOf. */
export function elementWgsl(lanes: 1 | 4): string {
  return lanes === 4 ? VECTOR : SCALAR;
}
