import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { roundBf16 } from "../../src/base/half.ts";
import { seeded } from "../../src/base/rng.ts";
import { Safetensors } from "../../src/model/safetensors.ts";
import { openSource } from "../../src/model/source.ts";
import { writeJsonAtomic } from "../../src/train/disk/aside.ts";
import { type SavedTensor, saveSafetensors } from "../../src/train/disk/save.ts";
import { withFolder } from "../support/checkpoint.ts";

type Filled = SavedTensor & { values: Float32Array; blocks: number[] };

/** A tensor that hands out its numbers, and notes the rows that it was asked for. */
function filled(name: string, dtype: "F32" | "BF16", shape: number[], value: (i: number) => number): Filled {
  const count = shape.reduce((product, n) => product * n, 1);
  const cols = shape.at(-1) ?? 1;
  const values = Float32Array.from({ length: count }, (_, i) => value(i));
  const blocks: number[] = [];
  return {
    ...{ name, dtype, shape, values, blocks },
    async read(into, row) {
      blocks.push(row);
      assert.equal(into.length % cols, 0, "whole rows");
      await null;
      into.set(values.subarray(row * cols, row * cols + into.length));
    },
  };
}

const isError = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof HyperthinkError && error.code === code, String(error));
  assert.match(error.message, message);
  return true;
};

describe("a saved safetensors file", () => {
  test("holds the numbers, float32 to the bit, bf16 rounded to nearest even, whatever the shapes", () =>
    withFolder({}, async (folder) => {
      const rng = seeded(3);
      const draw = () => rng.gaussian() * 2 ** (rng.below(60) - 30);
      const tensors = [
        filled("odd", "BF16", [3], draw),
        filled("large", "F32", [1500, 1000], draw),
        filled("rounded", "BF16", [700, 2001], draw),
        filled("wide", "F32", [2, (1 << 20) + 3], draw),
        filled("scalar", "F32", [], draw),
        filled("none", "F32", [0, 5], draw),
        filled("narrow", "F32", [5, 0], draw),
        filled("three", "BF16", [2, 3, 5], draw),
      ];
      const file = join(folder, "model.safetensors");
      await saveSafetensors(file, tensors);
      assert.deepEqual(readdirSync(folder), ["model.safetensors"]);
      const bytes = readFileSync(file);
      const length = Number(bytes.readBigUInt64LE());
      assert.equal(length % 8, 0);
      const header = JSON.parse(bytes.toString("utf8", 8, 8 + length));
      assert.deepEqual(header.__metadata__, { format: "pt" });
      await using saved = await Safetensors.open(await openSource(file));
      assert.equal(saved.tensors.size, tensors.length);
      for (const { name, dtype, shape, values } of tensors) {
        const tensor = saved.tensors.get(name)!;
        assert.deepEqual([tensor.dtype, tensor.shape], [dtype, shape]);
        assert.equal(tensor.start % (dtype === "F32" ? 4 : 2), 0, `${name} is aligned`);
        const cols = shape.at(-1) ?? 1;
        const read = new Float32Array(values.length);
        if (values.length) await saved.rows(tensor, cols, (block, row) => read.set(block, row * cols));
        assert.deepEqual(read, dtype === "F32" ? values : values.map(roundBf16), name);
      }
      assert.deepEqual(tensors[1].blocks, [0, 1048], "in blocks of 2^20 numbers at most");
      assert.deepEqual(tensors[3].blocks, [0, 1], "rows are whole");
    }));

  test("ties go to even", () =>
    withFolder({}, async (folder) => {
      const file = join(folder, "a.safetensors");
      const ties = [1 + 2 ** -8, 1 + 3 * 2 ** -8, -1 - 2 ** -8];
      await saveSafetensors(file, [filled("t", "BF16", [3], (i) => ties[i])]);
      const bits = new Uint16Array(Uint8Array.from(readFileSync(file).subarray(-6)).buffer);
      assert.deepEqual([...bits], [0x3f80, 0x3f82, 0xbf80]);
    }));

  test("replaces another only when it is whole", () =>
    withFolder({ "a.safetensors": "old" }, async (folder) => {
      const file = join(folder, "a.safetensors");
      const failing = { ...filled("late", "F32", [4], () => 1), read: () => Promise.reject(new Error("gone")) };
      await assert.rejects(saveSafetensors(file, [filled("w", "F32", [4], () => 1), failing]), /gone/);
      for (const [dtype, value] of [
        ["F32", Number.NaN],
        ["BF16", Number.NEGATIVE_INFINITY],
      ] as const)
        await assert.rejects(
          saveSafetensors(file, [filled("w", dtype, [4, 3], (i) => (i === 7 ? value : 1))]),
          isError("bad-model", /tensor w, row 2, column 1: expected a finite number to save, got (NaN|-Infinity)/),
        );
      assert.deepEqual(readdirSync(folder), ["a.safetensors"]);
      assert.equal(readFileSync(file, "utf8"), "old");
      await saveSafetensors(file, [filled("w", "F32", [4], () => 1)]);
      assert.notEqual(readFileSync(file, "utf8"), "old");
    }));

  test("two names alike, or a folder that is not there, are refused", () =>
    withFolder({}, async (folder) => {
      const w = filled("w", "F32", [4], () => 1);
      await assert.rejects(
        saveSafetensors(join(folder, "a.safetensors"), [w, w]),
        isError("bad-argument", /two tensors are named w/),
      );
      await assert.rejects(
        saveSafetensors(join(folder, "none", "a.safetensors"), [w]),
        isError("bad-argument", /none\/a\.safetensors: cannot be written: .*ENOENT/),
      );
    }));

  test(
    "on a full disk, one error names the file and its bytes, and nothing is left",
    {
      skip: existsSync("/dev/full") ? false : "UNRUN: no /dev/full",
    },
    () =>
      withFolder({ "a.safetensors": "old" }, async (folder) => {
        const file = join(folder, "a.safetensors");
        symlinkSync("/dev/full", `${file}.tmp-${process.pid}`);
        await assert.rejects(
          saveSafetensors(file, [filled("w", "F32", [100], () => 1)]),
          isError("no-memory", /a\.safetensors: the disk is full: it takes 5\d\d bytes, \d+ are free; make room/),
        );
        symlinkSync("/dev/full", `${file}.tmp-${process.pid}`);
        await assert.rejects(writeJsonAtomic(file, [1]), isError("no-memory", /the disk is full/));
        assert.deepEqual(readdirSync(folder), ["a.safetensors"]);
        assert.equal(readFileSync(file, "utf8"), "old");
      }),
  );
});

test("JSON replaces a file at once", () =>
  withFolder({}, async (folder) => {
    const file = join(folder, "a.json");
    writeFileSync(file, "old");
    await writeJsonAtomic(file, { text: "é", list: [1, null] });
    assert.equal(readFileSync(file, "utf8"), '{\n  "text": "é",\n  "list": [\n    1,\n    null\n  ]\n}\n');
    assert.deepEqual(readdirSync(folder), ["a.json"]);
  }));
