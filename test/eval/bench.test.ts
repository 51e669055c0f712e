// What benches leave to be used again: rows of runs that were killed, and commands for where they were started.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { rowsOf } from "../../bench/rows.ts";
import { withFolder } from "../support/checkpoint.ts";

test("half of a last row is removed, so that the next one begins a line", () =>
  withFolder({}, async (dir) => {
    const file = join(dir, "rows.jsonl");
    assert.deepEqual(await rowsOf(file), []);
    const rows = [{ index: 0, text: "é" }, { index: 1 }];
    writeFileSync(file, `${rows.map((row) => JSON.stringify(row)).join("\n")}\n{"index":2,"te`);
    assert.deepEqual(await rowsOf(file), rows);
    appendFileSync(file, '{"index":2}\n');
    assert.deepEqual(await rowsOf(file), [...rows, { index: 2 }]);
    const before = readFileSync(file);
    await rowsOf(file);
    assert.ok(readFileSync(file).equals(before));
    writeFileSync(file, "{}\nno JSON\n");
    await assert.rejects(rowsOf(file), /rows\.jsonl: line 2/);
  }));

test("a retrofit's command names its folders from where the bench was started", () =>
  withFolder({}, async (dir) => {
    const bench = fileURLToPath(new URL("../../bench/retrofits.ts", import.meta.url));
    const list = [bench, "--list", "--only", "full-0/2x,lora-0/4x"];
    const { stderr } = spawnSync(process.execPath, list, { cwd: dir, encoding: "utf8" });
    const models = [...stderr.matchAll(/ --model (\S+)/g)].map(([, model]) => resolve(dir, model));
    assert.equal(models.length, 2, stderr);
    for (const model of models) assert.ok(existsSync(join(model, "config.json")), model);
    const [out] = /(?<=--out )\S+/.exec(stderr)!;
    assert.match(resolve(dir, out), /bench.out.retrofits.full-0.2x$/);
    assert.doesNotMatch(stderr, / --(model|from|out) \//);
  }));
