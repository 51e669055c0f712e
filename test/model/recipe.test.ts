// What inspect tells of a folder's training.json, whoever wrote it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readRecipe } from "../../src/model/recipe.ts";
import { openSource } from "../../src/model/source.ts";
import { withFolder } from "../support/checkpoint.ts";

const recipeOf = (json: string) =>
  withFolder({ "training.json": json }, async (dir) => {
    found = await readRecipe(await openSource(dir));
  });
let found: Awaited<ReturnType<typeof readRecipe>> = null;

test("settings come by dotted name, lists as one, lists of more as their parts", async () => {
  await recipeOf(
    JSON.stringify({
      ...{ kind: "kvzap", config: { hidden_size: 1 }, explained: [0.5, 0.25], none: [], nothing: null },
      ...{ ramp: { from: 1, cr: 4 }, thresholds: [{ share: 0.5, threshold: -3 }], recompute: false },
    }),
  );
  assert.deepEqual(Object.entries(found!), [
    ["kind", "kvzap"],
    ["explained", "0.5, 0.25"],
    ["ramp.from", 1],
    ["ramp.cr", 4],
    ["thresholds.0.share", 0.5],
    ["thresholds.0.threshold", -3],
    ["recompute", false],
  ]);
});

test("nothing in them moves a cursor, names neither, nor is it long", async () => {
  const moves = "\u001b]0;owned\u0007\u001b[2J\u009b1m\u202e\n";
  const long = "x".repeat(1e5);
  await recipeOf(
    JSON.stringify({
      ...{ data: moves, [moves]: 1, inner: { [moves]: { [moves]: true } }, list: [moves, 1] },
      ...{ [long]: long, many: Array.from({ length: 1e5 }, () => "a\u001b"), next: { [long]: [long, long] } },
    }),
  );
  const words = Object.entries(found!).flat().map(String);
  assert.equal(words.length, 14);
  for (const word of words) {
    assert.match(word, /^[\x20-\x7e]*$/);
    assert.ok(word.length <= 1800, `${word.length}`);
  }
  assert.match(String(found!.data), /^\\u\{1b\}\]0;owned\\u\{7\}\\u\{1b\}\[2J\\u\{9b\}1m\\u\{202e\}\\u\{a\}$/);
});

test("neither how deep nor how many they are is the writer's to choose", async () => {
  for (const [open, close] of [
    ["[", "]"],
    ['{"a":', "}"],
    ['[1,{"a":', "}]"],
  ]) {
    await recipeOf(`{"kind":"x","deep":${open.repeat(20_000)}1${close.repeat(20_000)}}`);
    assert.ok(found!.kind === "x" && Object.keys(found!).length < 10);
  }
  await recipeOf(JSON.stringify(Object.fromEntries(Array.from({ length: 1e4 }, (_, i) => [`key${i}`, i]))));
  assert.equal(Object.keys(found!).length, 100);
});
