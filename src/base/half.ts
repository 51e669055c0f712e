// 16-bit floats. JavaScript numbers hold every bf16 and f16 value exactly; bits are plain integers 0 .. 65535.

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** The bf16 bits of `x`, rounded to nearest, ties to even. NaN stays NaN (quiet); what overflows turns to infinity. */
export function toBf16(x: number): number {
  f32[0] = x;
  const bits = u32[0];
  // A NaN whose payload lies in the low half would round to infinity, or carry into the sign.
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** The value of bf16 bits. */
export function fromBf16(bits: number): number {
  u32[0] = bits << 16;
  return f32[0];
}

/** `x` as bf16 would keep it. */
export function roundBf16(x: number): number {
  return fromBf16(toBf16(x));
}

/** The value of f16 (IEEE binary16) bits. */
export function fromF16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Widens bf16 bits into `to`, which is at least as long. True where all are finite. */
export function bf16ToF32(from: Uint16Array, to: Float32Array): boolean {
  // Whole words through a view: checkpoints hold billions of these. An exponent of ones (NaN,
  // infinity) carries into the top bit.
  const words = new Uint32Array(to.buffer, to.byteOffset, from.length);
  let carry = 0;
  for (let i = 0; i < from.length; i++) {
    words[i] = from[i] << 16;
    carry |= (from[i] & 0x7f80) + 0x80;
  }
  return (carry & 0x8000) === 0;
}

/** Rounds into bf16 bits; `to` is at least as long. */
export function f32ToBf16(from: Float32Array, to: Uint16Array): void {
  for (let i = 0; i < from.length; i++) to[i] = toBf16(from[i]);
}

/** Widens f16 bits into `to`, which is at least as long. True where all are finite. */
export function f16ToF32(from: Uint16Array, to: Float32Array): boolean {
  let carry = 0;
  for (let i = 0; i < from.length; i++) {
    to[i] = fromF16(from[i]);
    carry |= (from[i] & 0x7c00) + 0x400;
  }
  return (carry & 0x8000) === 0;
}
