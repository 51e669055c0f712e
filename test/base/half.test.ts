import assert from "node:assert/strict";
import { test } from "node:test";
import { bf16ToF32, f16ToF32, f32ToBf16, fromBf16, fromF16, roundBf16, toBf16 } from "../../src/base/half.ts";
import { seeded } from "../../src/base/rng.ts";

const everyBits = Uint16Array.from({ length: 65536 }, (_, i) => i);

test("every f16 value equals the language's own", () => {
  const own = new Float16Array(everyBits.buffer);
  const wide = new Float32Array(65536);
  f16ToF32(everyBits, wide);
  for (let i = 0; i < 65536; i++) {
    assert.ok(Object.is(fromF16(i), own[i]), `bits ${i}: expected ${own[i]}, got ${fromF16(i)}`);
    assert.ok(Object.is(wide[i], own[i]), `bits ${i}`);
  }
});

test("bf16 bits survive the way to float32 and back", () => {
  const wide = new Float32Array(65536);
  const back = new Uint16Array(65536);
  bf16ToF32(everyBits, wide);
  f32ToBf16(wide, back);
  for (let i = 0; i < 65536; i++) {
    assert.ok(Object.is(wide[i], fromBf16(i)), `bits ${i}`);
    if (Number.isNaN(wide[i])) assert.ok(Number.isNaN(fromBf16(back[i])), `bits ${i}`);
    else assert.equal(back[i], i);
  }
});

test("widening says whether all numbers are finite", () => {
  const one = new Float32Array(1);
  for (const bits of everyBits) {
    const word = Uint16Array.of(bits);
    assert.equal(f16ToF32(word, one), Number.isFinite(one[0]), `f16 bits ${bits}`);
    assert.equal(bf16ToF32(word, one), Number.isFinite(one[0]), `bf16 bits ${bits}`);
  }
  const mixed = Uint16Array.of(0x7f7f, 0xff80, 0);
  assert.equal(bf16ToF32(mixed, new Float32Array(3)), false);
});

test("bf16 rounds to the nearest value, ties to even bits", () => {
  const random = seeded(1);
  const word = new Uint32Array(1);
  const value = new Float32Array(word.buffer);
  for (let n = 0; n < 20000; n++) {
    word[0] = (random.below(65536) << 16) | [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, random.below(65536)][n % 7];
    const x = value[0];
    if (!Number.isFinite(x)) continue;
    const low = word[0] >>> 16;
    const [below, above] = [Math.abs(x - fromBf16(low)), Math.abs(x - fromBf16(low + 1))];
    const up =
      (low & 0x7fff) === 0x7f7f ? (word[0] & 0xffff) >= 0x8000 : above < below || (above === below && low % 2 === 1);
    assert.equal(toBf16(x), up ? low + 1 : low, `${x}`);
  }
});

test("bf16 by hand", () => {
  assert.equal(toBf16(1), 0x3f80);
  assert.equal(roundBf16(1 + 2 ** -8), 1); // tie, 0x3f80 is even
  assert.equal(roundBf16(1 + 3 * 2 ** -8), 1 + 2 ** -6); // tie, 0x3f81 is odd
  assert.equal(roundBf16(3.4e38), Number.POSITIVE_INFINITY);
  assert.equal(roundBf16(Number.NEGATIVE_INFINITY), Number.NEGATIVE_INFINITY);
  assert.ok(Object.is(roundBf16(-0), -0));
  const quiet = new Uint32Array([0x7f800001]); // payload in the half that is cut off
  assert.ok(Number.isNaN(roundBf16(new Float32Array(quiet.buffer)[0])));
});
