// Answers that a symbolic library hangs on, and the thread that it works in.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Equality } from "../../src/scale/equality/equality.ts";
import { grade } from "../../src/scale/equality/grade.ts";

const LIMIT = 500;
/** For starting the thread again, on a machine that does other things. */
const SLACK = 10_000;

const hostile: Record<string, [string, string]> = {
  "a power tower": ["9^{9^{9^9}}", "9^{9^{9^9}}+1"],
  "two power towers": ["9^{9^{9^{9^{9}}}}", "2^{2^{2^{2^{2^{2^2}}}}}"],
  "a sum of 10^9 terms": ["\\sum_{k=1}^{10^9}\\frac{1}{k}", "21.3"],
  "a sum of 10^9 terms that has a closed form": ["\\sum_{k=1}^{10^9}k", "500000000500000001"],
  "sums in sums": ["\\sum_{a=1}^{999}\\sum_{b=1}^{999}\\sum_{c=1}^{999}\\sin{abc}", "5"],
  "a product of 10^8 factors": ["\\prod_{k=1}^{10^8}k", "(10^8)!+1"],
  "a factorial": ["(10^9)!", "x"],
  "huge exponents": ["2^{10^9}", "3^{10^9}"],
  "a long expansion": ["(x+y+z+w)^{200}", "(x+y+w+z)^{200}+1"],
  "100 kB of braces": ["{".repeat(100_000), "1"],
  "100 kB of pairs of braces": [`${"{".repeat(50_000)}x${"}".repeat(50_000)}`, "x+0"],
  "deep brackets": [`${"(".repeat(400)}x${")".repeat(400)}`, "x+0"],
  "deep roots": [`${"\\sqrt{".repeat(120)}2${"}".repeat(120)}`, "1"],
  "fractions without arguments": ["\\frac".repeat(190), "2"],
  "a long list": [
    Array.from({ length: 60 }, (_, i) => `x^{${i}}`).join(","),
    Array.from({ length: 60 }, (_, i) => `y^{${i}}`).join(","),
  ],
  "many signs": ["\\pm".repeat(300), "1"],
  dollars: ["$".repeat(990), "2"],
  relations: ["x<".repeat(400), "1"],
  environments: ["\\begin{pmatrix}".repeat(60), "1"],
  "set-builders": ["\\{x|".repeat(240), "1"],
  carets: ["^".repeat(900), "_".repeat(900)],
};

describe("hostile answers", () => {
  const equality = new Equality({ limit: LIMIT });
  after(() => equality[Symbol.asyncDispose]());
  for (const [name, [a, b]] of Object.entries(hostile))
    test(name, async () => {
      const started = performance.now();
      const verdict = await equality.equal(a, b, { lenient: true, decimals: 6 });
      assert.equal(verdict.equal, false);
      const took = performance.now() - started;
      assert.ok(took < LIMIT + SLACK, `${took.toFixed(0)} ms`);
      await grade(equality, `$${a}$`, `So it is $${b}$.`); // comes to an end, too
    });

  test("no verdict on what ran out of time or is too long, and why", async () => {
    for (const name of ["two power towers", "a sum of 10^9 terms", "100 kB of braces", "deep brackets"]) {
      const { by, why } = await equality.equal(...hostile[name]);
      assert.equal(by, "undecided", name);
      assert.match(why, /undecided after 500 ms|longer than 1000 characters|nest too deep/, name);
    }
  });
});

test("the thread is ended when a pair takes too long, and started again for the next one", async () => {
  await using equality = new Equality({ limit: LIMIT });
  assert.equal(equality.starts, 0);
  assert.equal((await equality.equal("x+x", "2x")).equal, true);
  assert.equal((await equality.equal("x+y", "y+x")).equal, true);
  assert.equal(equality.starts, 1);
  assert.equal((await equality.equal(...hostile["two power towers"])).by, "undecided");
  assert.equal((await equality.equal("\\sqrt{8}", "2\\sqrt{2}")).equal, true);
  assert.equal(equality.starts, 2);
});

test("pairs that are asked together are answered in turn, each with its own time", async () => {
  await using equality = new Equality({ limit: LIMIT });
  const asked = [
    equality.equal(...hostile["two power towers"]),
    equality.equal("x+x", "2x"),
    equality.equal(...hostile["a sum of 10^9 terms"]),
    equality.equal("x+x", "3x"),
    equality.equal("1", "2"),
  ];
  assert.deepEqual(
    (await Promise.all(asked)).map(({ equal, by }) => (by === "undecided" ? by : equal)),
    ["undecided", true, "undecided", false, false],
  );
});

test("disposing ends what is being asked, and refuses what is asked later", async () => {
  const equality = new Equality({ limit: 60_000 });
  await equality.equal("x+x", "2x");
  const asked = equality.equal(...hostile["two power towers"]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await equality[Symbol.asyncDispose]();
  assert.equal((await asked).by, "undecided");
  await assert.rejects(equality.equal("x+x", "2x"), { code: "bad-argument" });
  assert.equal(equality.starts, 1);
});

test("an equality that nobody disposed of keeps no process alive", () => {
  const url = new URL("../../src/scale/equality/equality.ts", import.meta.url).href;
  const program = `const { Equality } = await import(${JSON.stringify(url)});
    console.log((await new Equality().equal("x+x", "2x")).by);`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.deepEqual([status, stdout, stderr], [0, "symbolic\n", ""]);
});
