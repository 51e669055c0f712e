// `reproduce` as a user runs it, very small.
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { cpuAvailable } from "../../src/device/cpu.ts";
import { withFolder } from "../support/checkpoint.ts";
import { program } from "../support/program.ts";
import { chainsOf, headOf } from "../support/records.ts";

const unrun = cpuAvailable();
const SMALL = ["--problems", "2", "--width", "2", "--lengths", "48,80", "--threads", "1"];
const run = (out: string, ...args: string[]) => program(["reproduce", ...SMALL, "--out", out, ...args]);

describe("reproduce", { skip: unrun ? `UNRUN: ${unrun}` : false }, () => {
  test("calibrates, runs, and writes a page with figures; goes on without a chain more; takes more problems", () =>
    withFolder({}, async (folder) => {
      const out = join(folder, "new/all");
      const first = run(out, "--json");
      assert.equal(first.code, 0, first.err);
      assert.match(first.err, /note: calibrating methods to CR [\d.]+: round 1, 11 of 11 left/);
      assert.match(first.err, /note: about \d+ s for [\d,]+ tokens in all/);
      assert.match(first.err, /note: methods \(7 of 7\), about \d+ s for it/);
      const { claims, files } = JSON.parse(first.out);
      assert.deepEqual(
        [...new Set(claims.map((claim: { section: string }) => claim.section))],
        ["methods", "eviction", "scaling"],
      );
      const page = readFileSync(join(out, "results.md"), "utf8");
      for (const [, figure] of page.matchAll(/!\[[^\]]*\]\(([^)]*)\)/g)) {
        assert.ok(files.includes(figure), figure);
        assert.ok(
          statSync(join(out, figure)).size > 1000 && statSync(join(out, figure.replace("svg", "png"))).size > 1000,
        );
      }
      assert.match(page, /\| h2o \| h2o:budget=\d+ \|/);
      const [full, scaling] = ["full", "scaling"].map((name) => join(out, "runs", name));
      assert.equal(chainsOf(full).length, 4);
      assert.deepEqual(
        headOf(scaling).settings.map(({ id, thinkMost }) => [id, thinkMost]),
        [
          ["full at 48", 32],
          ["dms 4x at 48", 32],
          ["dms 8x at 48", 32],
        ],
      );
      // Thinking that was cut is followed by an answer, or by the end of the few tokens that are left for it.
      for (const { text, tokens } of chainsOf(scaling)) assert.ok(tokens <= 48 && text.includes("</think>"), text);
      const calibrated = readFileSync(join(out, "reproduce.json"), "utf8");

      const again = run(out);
      assert.equal(again.code, 0, again.err);
      assert.doesNotMatch(again.err, /calibrating|tokens\/s/);
      assert.equal(readFileSync(join(out, "reproduce.json"), "utf8"), calibrated);
      assert.match(again.out, /^(holds|fails|open|not measured): dms beats every method/m);
      assert.equal(
        readFileSync(join(out, "results.md"), "utf8").split("- Command")[1].split("\n").slice(1).join("\n"),
        page.split("- Command")[1].split("\n").slice(1).join("\n"),
      );

      assert.match(page, /quest: UNRUN, as it evicts nothing/);

      const more = run(out, "--problems", "3");
      assert.equal(more.code, 0, more.err);
      assert.match(more.err, /note: calibrated on 2 problems, as this was begun, not 3/);
      assert.doesNotMatch(more.err, /calibrating/);
      assert.equal(chainsOf(full).length, 6);
      assert.match(readFileSync(join(out, "results.md"), "utf8"), /3 problems of .*\n- Calibrated on 2 other problems/);

      const other = run(out, "--seed", "5");
      assert.equal(other.code, 2);
      assert.match(other.err, /is of another reproduction: seed was 0, now 5/);
    }));

  test("one experiment alone; what makes no sense is refused before anything runs", () =>
    withFolder({}, async (folder) => {
      const one = run(join(folder, "one"), "--only", "eviction");
      assert.equal(one.code, 0, one.err);
      assert.match(one.out, /gates that were trained for a window do better with it than without/);
      assert.doesNotMatch(one.out, /every method/);
      for (const [args, message] of [
        [["--only", "nothing"], /expected methods or eviction or scaling/],
        [["--lengths", "80,48"], /shortest first/],
        [["--problems", "1"], /problems: expected a whole number from 2/],
        [["--models", folder], /abacus: no such folder/],
      ] as const) {
        const { code, err } = run(join(folder, "none"), ...args);
        assert.notEqual(code, 0);
        assert.match(err, message);
      }
    }));
});
