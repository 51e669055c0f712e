import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { embedded } from "../../src/cli/options.ts";
import { budgetName, budgetOptions, scalingBudget, scalingBudgets } from "../../src/scale/budget.ts";
import { program } from "../support/program.ts";

describe("length, width and ratio", () => {
  test("as the paper writes them, and back", () => {
    assert.deepEqual(scalingBudget("32k-8-4"), { length: 32_768, width: 8, cr: 4 });
    assert.deepEqual(scalingBudget(" 1.5K-1-2.5"), { length: 1536, width: 1, cr: 2.5 });
    for (const text of ["32k-8-4", "100-1-1", "1536-16-3.3"])
      assert.deepEqual(scalingBudget(budgetName(scalingBudget(text))), scalingBudget(text));
    assert.deepEqual(budgetOptions(scalingBudget("100-3-1")), { maxTokens: 100, width: 3 });
    assert.deepEqual(budgetOptions(scalingBudget("100-3-2")), { maxTokens: 100, width: 3, cr: 2 });
    assert.deepEqual(scalingBudgets("1k-1-1,1k-8-4").map(budgetName), ["1k-1-1", "1k-8-4"]);
  });

  test("what is none is refused", () => {
    for (const text of [
      "",
      "32k",
      "32k-8",
      "0-8-4",
      "1.0001k-1-1",
      "8k-0-1",
      "8k-2000-1",
      "8k-1-0.5",
      "8k-1-4-2",
      "-1-1-1",
    ])
      assert.throws(() => scalingBudget(text), { code: "bad-argument", message: /expected LENGTH-WIDTH-CR/ }, text);
    assert.throws(() => scalingBudgets("1k-1-1,1024-1-1"), /expected each once, got 1k-1-1 twice/);
  });

  test("on the command line, before a model is looked for", () => {
    const run = (...args: string[]) => program([...args, "-m", "/nowhere", "why?"]);
    for (const [args, message] of [
      [["scale", "--budget", "8k-8"], /expected LENGTH-WIDTH-CR/],
      [["scale", "--budget", "8k-8-4", "--width", "3"], /--budget 8k-8-4 says the width: leave out --width/],
      [["scale", "--budget", "8k-8-4", "--max-tokens", "3"], /leave out --max-tokens/],
      [["scale", "--budget", "8k-8-4", "--cr", "3"], /leave out --cr/],
      [["scale", "--budget", "8k-8-4", "--policy", "full"], /the policy full has no ratio but 1/],
      [["scale", "--budget", "8k-8-4", "--context", "4096"], /--context 4096 has no room for 8192 tokens/],
      [["generate", "--budget", "8k-8-4"], /generate runs one chain: expected a width of 1/],
      [["scale", "--budget", "8k-8-4"], /no such folder/],
    ] as const) {
      const { code, err } = run(...args);
      assert.notEqual(code, 0);
      assert.match(err, message, args.join(" "));
    }
  });

  test("what the model or the policy cannot take is refused before weights are loaded", () => {
    const folder = mkdtempSync(join(tmpdir(), "hyperthink-budget-"));
    try {
      cpSync(embedded("abacus-dms-4x"), folder, { recursive: true });
      const weights = join(folder, "model.safetensors");
      // With a tensor by another name, reading the weights would be another error.
      writeFileSync(
        weights,
        readFileSync(weights, "latin1").replace("model.norm.weight", "model.norm.weigth"),
        "latin1",
      );
      const asked = ["--budget", "64-1-4"];
      for (const [verb, args, message] of [
        ["generate", [...asked, "--policy", "kvzap"], /--budget 64-1-4 with kvzap: .*kvzap/],
        [
          "generate",
          [...asked, "--policy", "snapkv:budget=64"],
          /snapkv:budget=64: budget is given already: expected a ratio of 1/,
        ],
        [
          "scale",
          [...asked, "--policy", "h2o", "--threshold", "3"],
          /with h2o:threshold=3: threshold is given already/,
        ],
        ["generate", [...asked, "--policy", "snapkv:window=8", "--window", "9"], /expected window once, got it twice/],
        ["scale", ["--budget", "64-1-8"], /--budget 64-1-8 with dms: .*\b4\b/],
        ["generate", ["--budget", "64-1-1"], /with dms: expected a ratio above 1, got 1/],
        ["scale", ["--budget", "16384k-1-4"], /budget 16384k-1-4: the context of .*, \d+ tokens, has no room/],
        [
          "scale",
          ["--budget", "64-1-1,64-1-4"],
          /expected one LENGTH-WIDTH-CR, as this runs one \(`hyperthink eval` takes lists/,
        ],
      ] as const) {
        const { code, err } = program([verb, "-m", folder, ...args, "why?"]);
        assert.notEqual(code, 0);
        assert.match(err, message, [verb, ...args].join(" "));
      }
      // What can be taken is refused for its weights.
      for (const args of [[], ["--policy", "snapkv", "--window", "9", "--protect", "system"]])
        assert.match(program(["generate", "-m", folder, ...asked, ...args, "why?"]).err, /model\.norm\.weight/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("runs so many chains of so many tokens, under the ratio", () => {
    const question = "A jug holds 7 beads. A can holds 4 jugs and 2 beads. How many beads does a can hold?";
    const done = program(["scale", "--budget", "30-3-2", "--policy", "h2o", "--json", "--no-early-stop", question]);
    assert.equal(done.code, 0, done.err);
    const { chains, usage } = JSON.parse(done.out);
    assert.equal(chains.length, 3);
    assert.ok(chains.every(({ tokens }: { tokens: number }) => tokens <= 30));
    assert.ok(usage.compressionRatio > 1.2, `${usage.compressionRatio}`);
  });
});
