// Fitting a KVzap probe from the command line, and how it shows its progress.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { seeded } from "../../src/base/rng.ts";
import { fitProgress } from "../../src/cli/fit-progress.ts";
import { problem, question } from "../../src/eval/beads.ts";
import type { FitProgress } from "../../src/train/fit/fit.ts";
import { program } from "../support/program.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "hyperthink-kvzap-cli-"));
after(() => rmSync(folder, { recursive: true }));

const rng = seeded(1);
const texts = Array.from({ length: 120 }, () => question(problem(rng, { steps: 2 + rng.below(3), distractors: 2 })));
const data = join(folder, "questions.jsonl");
writeFileSync(data, texts.map((text) => JSON.stringify({ text })).join("\n"));

function fit(...args: string[]) {
  const program = [join(root, "src/cli/main.ts"), "retrofit", "-m", join(root, "models", "beads")];
  const child = spawnSync(process.execPath, [...program, "--method", "kvzap", ...args], {
    ...{ encoding: "utf8", timeout: 60_000, env: { ...process.env, HYPERTHINK_DEBUG: "" } },
  });
  return { code: child.status, out: child.stdout, err: child.stderr };
}

describe("a probe from the command line", () => {
  const out = join(folder, "probe");
  const small = ["--data", data, "--length", "150", "--prompts", "12", "--held-out", "3"];

  test("is a folder that --probe takes, and says how well it predicts", () => {
    const done = fit(...small, "-o", out);
    assert.equal(done.code, 0, done.err);
    assert.match(
      done.out,
      /^ridge 0\.\d+, from 1,\d{3} tokens\nexplains \d\d\.\d% of the variance of log scores of \d{3} /,
    );
    assert.match(done.err, /about \d.* MiB of memory and \d+ s/);
    const [, threshold] = done.out.match(/--policy kvzap --threshold (-?\d+\.\d\d)\n$/)!;
    assert.deepEqual(readdirSync(out).sort(), ["config.json", "model.safetensors", "training.json"]);
    const made = JSON.parse(readFileSync(join(out, "training.json"), "utf8"));
    assert.deepEqual([made.kind, made.scores, made.surrogate, made.explained.length], ["kvzap", "kvzip+", "linear", 4]);
    assert.equal(made.thresholds[2].threshold.toFixed(2), threshold);
    const used = program([
      ...["generate", "-m", join(root, "models", "beads"), "--probe", out, "--policy", "kvzap"],
      ...["--threshold", threshold, "--max-tokens", "8", "--temperature", "0", texts[0]],
    ]);
    assert.equal(used.code, 0, used.err);
  });

  test("with a hidden layer, as JSON", () => {
    const done = fit(...small, "-o", join(folder, "mlp"), "--surrogate", "mlp", "--scores", "kvzip", "--json");
    assert.equal(done.code, 0, done.err);
    const made = JSON.parse(done.out);
    assert.deepEqual([made.surrogate, made.scores, made.thresholds.length], ["mlp", "kvzip", 5]);
    assert.equal(JSON.parse(readFileSync(join(folder, "mlp", "config.json"), "utf8")).hidden_dim, 16);
  });

  test("of a model with a LoRA, which it names", () => {
    const [lora, to] = [join(folder, "lora"), join(folder, "with-lora")];
    const trained = program([
      ...["retrofit", "-m", join(root, "models", "beads"), "--data", data, "--init", "zero", "-o", lora],
      ...["--steps", "1", "--warmup", "0", "--rate", "0.03", "--windows", "1", "--length", "150", "--held-out", "0"],
    ]);
    assert.equal(trained.code, 0, trained.err);
    const done = fit(...small, "-o", to, "--adapter", lora);
    assert.equal(done.code, 0, done.err);
    const [made, plain] = [to, out].map((path) => JSON.parse(readFileSync(join(path, "training.json"), "utf8")));
    assert.deepEqual([made.adapters, made.weights.length], [["lora"], 2]);
    assert.notDeepEqual(made.explained, plain.explained);
  });

  test("leaves what is there alone, and nothing where it fails", () => {
    const before = readFileSync(join(out, "model.safetensors"));
    const again = fit(...small, "-o", out);
    assert.notEqual(again.code, 0);
    assert.match(again.err, /holds a finished run: expected another --out/);
    assert.deepEqual(readFileSync(join(out, "model.safetensors")), before);
    const none = join(folder, "none");
    for (const [args, message] of [
      [["--data", join(folder, "absent.txt")], /no such file or folder/],
      [["--data", data, "--length", "9000"], /expected prompts of 2 to 2048 tokens, got 9000/],
      [["--data", data, "--prompts", "0"], /prompts: expected a whole number from 1, got 0/],
      [["--data", "abacus", "--length", "1536"], /--data abacus: expected the tokenizer of models\/abacus/],
      [["--data", data, "--teacher", "x"], /--teacher is read by --method dms alone/],
      [["--data", data, "--learn", "assistant"], /--learn is read by --method dms alone/],
      [["--data", data, "--surrogate", "tree"], /expected linear or mlp, got "tree"/],
    ] as const) {
      const done = fit(...args, "-o", none);
      assert.notEqual(done.code, 0);
      assert.match(done.err, message);
      assert.ok(!existsSync(none));
    }
  });
});

describe("progress of a fit", () => {
  function open(isTTY: boolean, columns?: number) {
    const written: string[] = [];
    let now = 0;
    const stream = { columns, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
    const progress = fitProgress(stream, () => now, isTTY);
    const show = (seconds: number, part: FitProgress["part"], done: number, total: number) => {
      now += 1000 * seconds;
      progress.show({ part, done, total });
    };
    return { progress, show, written };
  }

  test("a line each ten seconds, with what is left of this part", () => {
    const { progress, show, written } = open(false);
    show(0, "reading", 0, 10);
    for (let i = 1; i < 10; i++) show(6, "reading", i, 10);
    show(6, "learning", 0, 4);
    show(20, "learning", 1, 4);
    show(20, "judging", 3, 3);
    progress.done();
    assert.deepEqual(written, [
      "reading prompt 3 of 10, 48 s left\n",
      "reading prompt 5 of 10, 36 s left\n",
      "reading prompt 7 of 10, 24 s left\n",
      "reading prompt 9 of 10, 12 s left\n",
      "learned layer 0 of 4\n",
      "learned layer 1 of 4, 1 min left\n",
      "judging by prompt 3 of 3\n",
    ]);
  });

  test("on a terminal one that is redrawn, no wider than it, and taken away", () => {
    const { progress, show, written } = open(true, 24);
    show(0, "reading", 0, 100);
    show(9, "reading", 1, 100);
    progress.done();
    assert.deepEqual(written, ["\rreading prompt 1 of 100\x1b[K", "\rreading prompt 2 of 100\x1b[K", "\r\x1b[K"]);
  });
});
