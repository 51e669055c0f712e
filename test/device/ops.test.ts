// Each operation that touches no lane, on every device, against a formula written here.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { roundBf16, toBf16 } from "../../src/base/half.ts";
import { seeded } from "../../src/base/rng.ts";
import { allDevices, gaussians, rig } from "./devices.ts";

const SIZES = [1, 7, 72, 187, 331];
const HEADS = [
  [9, 3, 8],
  [8, 2, 20],
  [4, 4, 32],
  [8, 2, 64],
  [2, 1, 128],
]; // query heads, KV heads, width
const FORMATS = ["f32", "bf16"] as const;

function as(format: "f32" | "bf16", values: Float32Array): Float32Array {
  return format === "bf16" ? values.map(roundBf16) : values;
}

for (const candidate of allDevices) {
  describe(candidate.name, () => {
    const { device, f32, i32, matrix, run, read, close } = rig(candidate);
    after(() => device.close());

    for (const format of FORMATS) {
      test(`embed, ${format}`, async () => {
        const random = seeded(1);
        for (const dim of SIZES) {
          const table = gaussians(random, 331 * dim);
          const ids = Array.from({ length: 13 }, () => random.below(331));
          const out = device.hidden(13 * dim);
          const grid = matrix(table, dim, format);
          assert.equal(grid.bytes, 331 * dim * (format === "bf16" ? 2 : 4));
          await run((pass) => pass.embed({ out, table: grid, ids: i32(ids), rows: 13 }));
          const rows = ids.flatMap((id) => [...as(format, table).subarray(id * dim, (id + 1) * dim)]);
          assert.deepEqual(await read(out), Float32Array.from(rows)); // copies: bits are equal
        }
      });

      test(`matmul, ${format}`, async () => {
        const random = seeded(2);
        let variant = 0;
        for (const cols of SIZES) {
          for (const n of SIZES) {
            const w = gaussians(random, n * cols);
            const grid = device.matrix(n, cols, format);
            const half = Math.ceil(n / 2); // written in two blocks, as loaders do
            device.writeRows(grid, 0, w.subarray(0, half * cols));
            device.writeRows(grid, half, w.subarray(half * cols));
            const kept = as(format, w);
            for (const rows of [1, 2, 3, 4, 5, 8, 13]) {
              const [bias, add] = [variant % 2 === 1 ? gaussians(random, n) : null, variant % 4 > 1];
              variant++;
              const x = gaussians(random, rows * cols);
              const before = gaussians(random, rows * n);
              const out = f32(before);
              await run((pass) => pass.matmul({ out, x: f32(x), w: grid, rows, bias: bias && f32(bias), add }));
              const expected = before.map((old, i) => {
                const [r, c] = [Math.floor(i / n), i % n];
                let sum = (add ? old : 0) + (bias ? bias[c] : 0);
                for (let k = 0; k < cols; k++) sum += x[r * cols + k] * kept[c * cols + k];
                return sum;
              });
              close(await read(out), expected, `[${rows}, ${cols}] x [${n}, ${cols}], bias ${!!bias}, add ${add}`);
            }
          }
        }
      });

      test(`matmul, ${format}: a row's bits do not depend on the rows beside it`, async () => {
        const random = seeded(3);
        for (const [cols, n] of [
          [72, 187],
          [187, 72],
          [331, 7],
        ]) {
          const grid = matrix(gaussians(random, n * cols), cols, format);
          const x = gaussians(random, 67 * cols);
          const all = device.hidden(67 * n);
          await run((pass) => pass.matmul({ out: all, x: f32(x), w: grid, rows: 67, bias: null, add: false }));
          const together = await read(all);
          for (const [first, rows] of [
            [0, 1],
            [1, 2],
            [5, 4],
            [9, 8],
            [20, 13],
            [33, 32],
            [66, 1],
          ]) {
            const out = device.hidden(rows * n);
            await run((pass) =>
              pass.matmul({
                out,
                x: f32(x.subarray(first * cols, (first + rows) * cols)),
                w: grid,
                rows,
                bias: null,
                add: false,
              }),
            );
            assert.deepEqual(await read(out), together.slice(first * n, (first + rows) * n), `rows ${first} + ${rows}`);
          }
        }
      });
    }

    test("gather", async () => {
      const x = gaussians(seeded(4), 9 * 7);
      const out = device.hidden(4 * 7);
      await run((pass) => pass.gather({ out, x: f32(x), index: i32([8, 0, 3, 3]), count: 4, dim: 7 }));
      assert.deepEqual(
        [...(await read(out))],
        [8, 0, 3, 3].flatMap((r) => [...x.subarray(r * 7, r * 7 + 7)]),
      );
    });

    test("norm, into another buffer and in place", async () => {
      const random = seeded(5);
      for (const dim of SIZES) {
        for (let rows = 1; rows <= 13; rows += 4) {
          const [x, weight] = [gaussians(random, rows * dim), gaussians(random, dim)];
          const expected = x.map((value, i) => {
            const row = x.subarray(Math.floor(i / dim) * dim, Math.floor(i / dim) * dim + dim);
            return (value / Math.sqrt(row.reduce((s, v) => s + v * v, 0) / dim + 1e-3)) * weight[i % dim];
          });
          const [source, out] = [f32(x), device.hidden(rows * dim)];
          await run((pass) => {
            pass.norm({ out, x: source, weight: f32(weight), rows, dim, eps: 1e-3 });
            pass.norm({ out: source, x: source, weight: f32(weight), rows, dim, eps: 1e-3 });
          });
          close(await read(out), expected, `dim ${dim}`);
          close(await read(source), expected, `dim ${dim}, in place`);
        }
      }
    });

    test("angles and rope", async () => {
      const random = seeded(6);
      for (const [heads, , dim] of HEADS) {
        const rows = 5;
        const frequencies = Float32Array.from({ length: dim / 2 }, (_, j) => 1e6 ** ((-2 * j) / dim));
        const positions = [0, 1, 999, 32767, 131071];
        const x = gaussians(random, rows * heads * dim);
        const [turn, turned] = [device.hidden(rows * dim), f32(x)];
        await run((pass) => {
          pass.angles({ out: turn, positions: i32(positions), frequencies: f32(frequencies), rows, half: dim / 2 });
          pass.rope({ x: turned, angles: turn, rows, heads, dim });
        });
        const angle = (r: number, j: number) => Math.fround(positions[r] * frequencies[j % (dim / 2)]);
        const both = Array.from({ length: rows * dim }, (_, i) => {
          const [r, j] = [Math.floor(i / dim), i % dim];
          return j < dim / 2 ? Math.cos(angle(r, j)) : Math.sin(angle(r, j));
        });
        close(await read(turn), both, `angles, width ${dim}`);
        const expected = x.map((value, i) => {
          const [r, j] = [Math.floor(i / (heads * dim)), i % dim];
          const other = j < dim / 2 ? -x[i + dim / 2] : x[i - dim / 2];
          return value * Math.cos(angle(r, j)) + other * Math.sin(angle(r, j));
        });
        close(await read(turned), expected, `rope, width ${dim}`);
      }
    });

    test("swiglu, into another buffer and in place", async () => {
      const random = seeded(7);
      for (const count of [1, 7, 187 * 13]) {
        const [gate, up] = [gaussians(random, count).map((g) => g * 8), gaussians(random, count)];
        if (count > 7) gate.set([100, -100]); // exp(100) overflows float32
        const [source, out] = [f32(gate), device.hidden(count)];
        await run((pass) => {
          pass.swiglu({ out, gate: source, up: f32(up), count });
          pass.swiglu({ out: source, gate: source, up: f32(up), count });
        });
        const expected = gate.map((g, i) => (g / (1 + Math.exp(-g))) * up[i]);
        close(await read(out), expected, `${count} numbers`);
        close(await read(source), expected, `${count} numbers, in place`);
      }
    });

    test("borrow, blank and decide", async () => {
      const random = seeded(8);
      for (const [queryHeads, kvHeads, dim] of HEADS) {
        const rows = 6;
        const q = gaussians(random, rows * queryHeads * dim);
        const carrier = (i: number) => i % dim === dim - 1 && Math.floor(i / dim) % (queryHeads / kvHeads) === 0;
        const [borrowed, blanked, raw] = [f32(q), f32(q), device.hidden(rows * kvHeads)];
        const [perHead, perLayer] = [device.hidden(rows * kvHeads), device.hidden(rows * kvHeads)];
        await run((pass) => {
          pass.borrow({ raw, q: borrowed, rows, queryHeads, kvHeads, dim });
          pass.blank({ q: blanked, rows, queryHeads, kvHeads, dim });
          pass.decide({ z: perHead, raw, rows, kvHeads, scale: 100, offset: 5, perLayer: false });
          pass.decide({ z: perLayer, raw, rows, kvHeads, scale: 100, offset: 5, perLayer: true });
        });
        const taken = q.filter((_, i) => carrier(i));
        assert.deepEqual(await read(raw), taken);
        assert.deepEqual(
          await read(borrowed),
          q.map((value, i) => (carrier(i) ? 0 : value)),
        );
        assert.deepEqual(await read(blanked), await read(borrowed));
        close(
          await read(perHead),
          taken.map((v) => v * 100 - 5),
          "a gate a head",
        );
        const ofLayer = taken.map((_, i) => taken[i - (i % kvHeads)] * 100 - 5);
        close(await read(perLayer), ofLayer, "a gate a layer");
        await run((pass) => pass.decide({ z: raw, raw, rows, kvHeads, scale: 100, offset: 5, perLayer: true }));
        close(await read(raw), ofLayer, "a gate a layer, in place");
      }
    });

    test("a pass runs once, in order", async () => {
      const x = f32([1, 2]);
      const pass = device.begin();
      pass.swiglu({ out: x, gate: x, up: f32([0, 0]), count: 2 });
      pass.matmul({ out: x, x: f32([3]), w: matrix(Float32Array.of(1, 2), 1, "f32"), rows: 1, bias: null, add: true });
      await device.run(pass);
      assert.deepEqual([...(await read(x))], [3, 6]);
      await assert.rejects(device.run(pass), HyperthinkError);
    });

    test("parts are written and read back", async () => {
      const x = device.hidden(5);
      await device.write(x, 1, Float32Array.of(1, 2, 3));
      const into = new Float32Array(3);
      await device.read(x, 2, into);
      assert.deepEqual([...into], [2, 3, 0]);
      await assert.rejects(device.read(x, 3, into), { code: "bad-argument" });
      await assert.rejects(device.write(x, 3, into), { code: "bad-argument" });
    });

    for (const format of FORMATS)
      test(`rows of ${format} as numbers and as stored bytes, read back`, async () => {
        const values = gaussians(seeded(9), 5 * 7);
        const kept = as(format, values);
        const bytes =
          format === "bf16" ? new Uint8Array(Uint16Array.from(kept, toBf16).buffer) : new Uint8Array(values.buffer);
        const [numbers, stored] = [device.matrix(6, 7, format), device.matrix(6, 7, format)];
        device.writeRows(numbers, 1, values);
        // As in a file: from an odd place, in two blocks.
        const shifted = Uint8Array.of(0, ...bytes).subarray(1);
        const block = (2 * bytes.length) / 5;
        device.writeRows(stored, 1, shifted.subarray(0, block));
        device.writeRows(stored, 3, shifted.subarray(block));
        for (const matrix of [numbers, stored]) {
          const [all, part] = [new Float32Array(6 * 7), new Float32Array(2 * 7)];
          await device.readRows(matrix, 0, all);
          assert.deepEqual(all, Float32Array.of(...new Array(7).fill(0), ...kept));
          await device.readRows(matrix, 4, part);
          assert.deepEqual(part, kept.slice(3 * 7));
        }
        const refused = { name: "HyperthinkError", code: "bad-argument" };
        assert.throws(() => device.writeRows(stored, 5, shifted.subarray(0, block)), refused);
        assert.throws(() => device.writeRows(stored, 0, shifted.subarray(0, block - 1)), refused);
        assert.throws(() => device.writeRows(numbers, 0, values.subarray(0, 8)), refused);
        await assert.rejects(device.readRows(numbers, 5, new Float32Array(14)), refused);
      });

    test("mark", async () => {
      const [z, probed] = [f32([1, 2, 3, 4, 5, 6, 7, 8]), f32([11, 12, 13, 14, 15, 16, 17, 18])];
      const [own, theirs] = [f32(z.host), f32(z.host)];
      await run((pass) => {
        pass.mark({ z: own, probed: null, marks: i32([0, 1, 2, 1]), rows: 4, kvHeads: 2 });
        pass.mark({ z: theirs, probed, marks: i32([3, 0, 2, 1]), rows: 4, kvHeads: 2 });
      });
      const no = Math.fround(-1e30);
      assert.deepEqual([...(await read(own))], [no, no, 3, 4, 1, 1, 7, 8]);
      assert.deepEqual([...(await read(theirs))], [11, 12, no, no, 1, 1, 7, 8]);
    });

    test("after close, calls throw", async () => {
      const other = candidate.open();
      const pass = other.begin();
      other.close();
      const refused = { name: "HyperthinkError", code: "bad-argument" };
      assert.throws(() => other.f32(1), refused);
      assert.throws(() => other.matrix(1, 1, "f32"), refused);
      assert.throws(() => other.begin(), refused);
      await assert.rejects(other.run(pass), refused);
    });
  });
}
