// The program as a user runs it: a child process, its two streams and its exit code.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { seeded } from "../../src/base/rng.ts";
import { loadConfig } from "../../src/model/load.ts";
import { loraNames, loraTargets } from "../../src/model/lora-match.ts";
import { openSource } from "../../src/model/source.ts";
import { beadsFiles, f32, safetensors, type Tensors, withFolder } from "../support/checkpoint.ts";
import { program } from "../support/program.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const beads = `${root}models/beads`;
const [golden] = JSON.parse(readFileSync(`${root}golden/beads-text/golden.json`, "utf8")).cases;
const question: string = golden.messages[0].content;

const run = (args: string[], input = "") => program(args, { input });

/** A LoRA that changes every linear layer of the embedded model a little. */
async function beadsLora(): Promise<Record<string, Uint8Array | object>> {
  const rng = seeded(3);
  const tensors: Tensors = {};
  for (const [module, { shape }] of loraTargets(await loadConfig(await openSource(beads)))) {
    const names = loraNames(module);
    const some = (...size: number[]) =>
      f32(
        size,
        Array.from({ length: size[0] * size[1] }, () => rng.gaussian() / 20),
      );
    tensors[names.a] = some(2, shape[1]);
    tensors[names.b] = some(shape[0], 2);
  }
  return {
    "adapter_config.json": { peft_type: "LORA", r: 2, lora_alpha: 2, bias: "none" },
    "adapter_model.safetensors": safetensors(tensors),
  };
}

describe("generate", () => {
  const exact = ["--weights", "f32", "--kv", "f32", "--max-tokens", "400", "--policy", "full"];
  test("greedy text is the golden text, streamed and as JSON, from an argument and from standard input", () => {
    const streamed = run(["generate", "-m", beads, ...exact], question);
    assert.equal(streamed.code, 0);
    assert.equal(streamed.out, `${golden.text}\n`);
    assert.match(streamed.err, /KV reads, 1\.00x fewer than the full cache/);
    const json = JSON.parse(run(["generate", "-m", beads, ...exact, "--json", question]).out);
    assert.equal(json.text, golden.text);
    assert.deepEqual(json.ids, golden.greedy_ids);
    assert.equal(json.prompt.tokens, golden.prompt_ids.length);
  });
  test("a stop string is cut off", () => {
    const { out } = run(["generate", "-m", beads, ...exact, "--stop", "\nA"], question);
    assert.equal(out, `${golden.text.slice(0, golden.text.indexOf("\nA"))}\n`);
  });
  test("an adapter compresses", () => {
    const { out } = run(["generate", "-m", beads, "--adapter", `${root}models/beads-dms-gates-4x`, "--json", question]);
    const { compressionRatio, laneRatios } = JSON.parse(out);
    assert.ok(compressionRatio > 2);
    assert.equal(laneRatios.length, 16);
  });
});

describe("scale", () => {
  const base = ["scale", "--width", "5", "--seed", "3", "--max-tokens", "440"];
  test("is reproducible, votes, and tells its usage", () => {
    const first = JSON.parse(run([...base, "--json", question]).out);
    const again = JSON.parse(run([...base, "--json", "--threads", "1", question]).out);
    assert.deepEqual(again.groups, first.groups);
    assert.deepEqual(again.chains.map((chain: { text: string }) => chain.text).length, 5);
    assert.ok(first.usage.compressionRatio > 2 && first.usage.peakPages > 0);
  });
  test("lists what it merged: nothing of numbers", () => {
    const { groups, merges } = JSON.parse(run([...base, "--merge", "--json", question]).out);
    assert.deepEqual(groups, JSON.parse(run([...base, "--json", question]).out).groups);
    assert.deepEqual(merges, []);
  });
  test("plain lines when there is no terminal", () => {
    const { out, code } = run([...base, question]);
    assert.equal(code, 0);
    assert.match(out, /^5 chains over a prompt of \d+ tokens, policy dms window=16 [^\n]*\nchain \d: /);
    assert.match(out, /\nanswer .*\n5 chains, /);
    assert.ok(!out.includes("\x1b["), "control sequences in a pipe");
  });
});

describe("errors are one line, and an exit code", () => {
  const cases: [string[], number, RegExp][] = [
    [["frob"], 2, /unknown command 'frob'/],
    [["generate", "--frob", "x"], 2, /unknown option '--frob'/],
    [["scale", "--width", "0", "x"], 2, /width must be a whole number of chains from 1 to 1024, got 0/],
    [["generate", "--temperature", "NaN", "x"], 2, /expected a number, got "NaN"/],
    [["generate", "--temperature", "-1", "x"], 2, /temperature must be/],
    [["generate", "--top-p", "0", "x"], 2, /topP must be/],
    [["generate", "--device", "tpu", "x"], 2, /cpu or reference/],
    [["generate", "--kv-memory", "much", "x"], 2, /a size such as 2GiB/],
    [["generate", "-m", "/nonexistent", "x"], 1, /no such folder/],
    [["generate", "--kv-memory", "4KiB", "x"], 1, /the KV pool is too small for one chain/],
    [
      ["generate", "--context", "16", question],
      2,
      /the prompt has \d+ tokens: expected fewer than the context limit of 16/,
    ],
    [["generate", "--policy", "dms", "x"], 2, /policy dms needs gates/],
    [
      ["generate", "-m", `${root}models/beads-dms-full-4x`, "--cr", "8", "x"],
      2,
      /--cr 4 \(what this checkpoint was trained for\)/,
    ],
    [["generate", ""], 2, /expected a prompt/],
    [["verify", root], 1, /golden\.json/],
    [["compare", "--problems", "abacus:0", "full"], 2, /expected beads, beads:N, abacus or abacus:N with N >= 1/],
  ];
  for (const [args, code, message] of cases)
    test(args.slice(0, 3).join(" ").slice(0, 60), () => {
      const result = run(args);
      assert.equal(result.code, code, result.err);
      assert.match(result.err, message);
      assert.ok(!/^\s+at /m.test(result.err), "a stack trace");
      assert.equal(result.out, "");
    });
  test("a broken tokenizer", () => {
    const folder = mkdtempSync(join(tmpdir(), "hyperthink-cli-"));
    cpSync(beads, folder, { recursive: true });
    writeFileSync(join(folder, "tokenizer.json"), "{");
    const result = run(["generate", "-m", folder, "x"]);
    rmSync(folder, { recursive: true });
    assert.equal(result.code, 1);
    assert.match(result.err, /tokenizer\.json: expected JSON/);
  });
});

describe("the other verbs", () => {
  test("inspect", () => {
    const facts = JSON.parse(run(["inspect", "--json", "--memory", "1GiB", `${root}models/beads-dms-full-4x`]).out);
    assert.equal(facts.parameters, 1_052_544);
    assert.equal(facts.kvBytesPerToken, 4 * 4 * (2 * 32 * 2 + 4));
    assert.equal(facts.fits[1].tokens, Math.floor((4 * (2 ** 30 - facts.weightBytes)) / facts.kvBytesPerToken));
    assert.match(run(["inspect"]).out, /window 16, trained for CR 8/);
    const golden = `${root}golden`;
    const both = ["--adapter", `${golden}/llama-odd-lora-dms`, "--adapter", `${golden}/llama-odd-lora-dms`];
    assert.match(run(["inspect", `${golden}/llama-odd`, ...both]).err, /have DMS gates each/);
    assert.match(
      run(["inspect", `${golden}/llama-odd`, ...both.slice(2)]).out,
      /gates +window 12.*\n.*\n.*\n +LoRA +rank 3, scale 1, 22\.6 KiB on disk, over 3 down_proj, 3 k_proj, 3 o_proj, 3 q_proj: /,
    );
  });
  test("verify tells a pass from a failure", () => {
    const good = run(["verify", "--device", "reference", `${root}golden/qwen3-dms-short`]);
    assert.equal(good.code, 0);
    assert.match(good.out, /PASS: \d+ passed, 0 failed, 0 not run/);
    const folder = mkdtempSync(join(tmpdir(), "hyperthink-cli-"));
    cpSync(`${root}golden/qwen3-dms-short`, folder, { recursive: true });
    const file = join(folder, "golden.safetensors");
    const bytes = readFileSync(file);
    bytes[bytes.length - 4] ^= 1; // the prompt stands last: another token
    writeFileSync(file, bytes);
    const bad = run(["verify", "--device", "reference", folder]);
    rmSync(folder, { recursive: true });
    assert.equal(bad.code, 1);
  });
  test("tasks: all of them, or one with its protocol, source and settings", () => {
    const all = run(["tasks"]).out.split("\n");
    assert.match(all[0], /^task +what counts +data +asks$/);
    assert.ok(all.some((line) => /^humaneval +one right chain +HumanEval\.jsonl\.gz +HumanEval: functions/.test(line)));
    assert.ok(all.some((line) => /^mmlu +the likeliest choice /.test(line)));
    assert.ok(all.some((line) => /^perplexity +perplexity /.test(line)));
    const { out } = run(["tasks", "needle"]);
    assert.match(
      out,
      /^needle: one number .*\n\nprotocol +RULER's single needle; .*\ncounts +the vote of its chains$/m,
    );
    assert.match(out, /^source +github\.com.*\ndata +a folder of \.txt files.*\n\nsettings\n +name +default +range$/m);
    assert.match(out, /^ {2}from +2048 +128 to 4194304 +shortest length in tokens$/m);
    assert.doesNotMatch(run(["tasks", "gsm8k"]).out, /settings/);
    const told = JSON.parse(run(["tasks", "--json"]).out);
    assert.deepEqual([told.length, told[0].name, told[0].counts], [20, "aime24", "the vote of its chains"]);
    const wrong = run(["tasks", "nothing"]);
    assert.deepEqual([wrong.code, /unknown task "nothing": expected one of aime24/.test(wrong.err)], [2, true]);
  });
  test("policies, help and version", () => {
    assert.match(run(["policies"]).out, /^policy .*\nfull .*\ndms /);
    for (const verb of ["generate", "scale", "inspect", "verify", "policies", "tasks", "compare", "demo"])
      assert.equal(run([verb, "--help"]).code, 0);
    assert.match(run(["--version"]).out, /^\d+\.\d+\.\d+\n$/);
  });
  test("compare: a table, a plot, results that belong to their text; accuracy on problems", () => {
    const folder = mkdtempSync(join(tmpdir(), "hyperthink-compare-"));
    const file = (name: string) => join(folder, name);
    for (const name of ["a", "b"])
      writeFileSync(file(name), `${name} jug holds 7 beads and a can holds 4 jugs. `.repeat(60));
    const common = ["compare", "h2o", "knorm", "--cr", "2", "--texts", "2", "--prefix", "48", "--scored", "32"];
    const plain = run([...common, "--text", file("a"), "--plot", file("kl.svg"), "--resume", file("runs")]);
    assert.equal(plain.code, 0, plain.err);
    assert.match(plain.out, /^policy .*\n-.*\nfull +1\.00 .*\nh2o:cr=2 .*\nknorm:cr=2 /);
    assert.match(readFileSync(file("kl.svg"), "utf8"), /^<svg .*KL from the full cache/s);
    assert.equal(run([...common, "--text", file("a"), "--resume", file("runs")]).out, plain.out);
    assert.match(run([...common, "--text", file("b"), "--resume", file("runs")]).err, /another text/);
    rmSync(folder, { recursive: true });
    const { rows } = JSON.parse(
      run(["compare", "streaming:cr=2", "--problems", "beads:2", "--width", "2", "--max-tokens", "60", "--json"]).out,
    );
    assert.deepEqual(
      rows.map((row: { policy: string }) => row.policy),
      ["full", "streaming:cr=2"],
    );
    const budgets = (...args: string[]) => run(["compare", "streaming", "--problems", "beads:2", "--json", ...args]);
    const told = JSON.parse(budgets("--budget", "60-2-2").out).rows;
    assert.deepEqual(told, rows); // length, width and ratio by another name
    assert.match(budgets("--budget", "60-2-2,60-3-4").err, /--budget: expected budgets of one length and width/);
    assert.match(budgets("--budget", "60-2-2", "--width", "2").err, /--budget says what --width says/);
    assert.match(budgets("--budget", "16384k-1-8").err, /the context of [\w-]+, \d+ tokens, has no room for it/);
    assert.match(budgets("--budget", "60-2-1").err, /streaming: expected a ratio above 1, got 1/);
    const mixed = run([
      ...["compare", "dms", "streaming:budget=30", "tova", "-m", "models/beads-dms-full-4x", "--problems", "beads:2"],
      ...["--budget", "60-2-2,60-2-4", "--json"],
    ]);
    assert.match(mixed.err, /note: left out: dms 60-2-2 \(/);
    assert.deepEqual(
      JSON.parse(mixed.out).rows.map(({ policy }: { policy: string }) => policy),
      ["full", "dms", "streaming:budget=30", "tova:cr=2", "tova:cr=4"],
    );
    assert.match(run([...common, "--text", "README.md", "--budget", "60-2-2"]).err, /--budget belongs to --problems/);
    for (const wrong of [
      ["--texts", "0"],
      ["--scored", "1"],
      ["--plot", "/nowhere/x.svg"],
      ["--cr", "0.5"],
    ])
      assert.equal(run([...common, "--text", "README.md", ...wrong]).code, 2, wrong.join(" "));
  });
  test("compare against another model: a LoRA from its base", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hyperthink-compare-"));
    const file = (name: string) => join(folder, name);
    writeFileSync(file("text"), "A jug holds 7 beads and a can holds 4 jugs. ".repeat(40));
    const common = ["compare", "h2o", "--cr", "2", "--texts", "2", "--prefix", "48", "--scored", "32", "--json"];
    const base = [...common, "-m", beads, "--text", file("text")];
    const summaries = (args: string[]): { label: string; kl: { mean: number }; loss: { mean: number } }[] => {
      const { code, out, err } = run(args);
      assert.equal(code, 0, err);
      return JSON.parse(out).summaries;
    };
    try {
      const own = [...base, "--reference", beads];
      const plain = summaries(base);
      const kept = summaries([...own, "--resume", file("runs")]);
      for (const [i, { label, kl, loss }] of plain.entries()) {
        assert.equal(kept[i].label, label);
        assert.ok(Math.abs(kept[i].kl.mean - kl.mean) < 1e-5 && Math.abs(kept[i].loss.mean - loss.mean) < 1e-5, label);
      }
      assert.deepEqual(summaries([...own, "--resume", file("runs")]), kept);
      assert.match(run([...base, "--resume", file("runs")]).err, /it holds another reference; expected a new file/);

      await withFolder(await beadsLora(), async (lora) => {
        const merged = [...base, "-m", beads, "--adapter", lora];
        assert.equal(summaries(merged)[0].kl.mean, 0);
        assert.ok(summaries([...merged, "--reference", beads])[0].kl.mean > 1e-4);
        const shown = run([
          ...merged.filter((arg) => arg !== "--json"),
          "--reference",
          beads,
          "--plot",
          file("kl.svg"),
        ]);
        assert.match(shown.out, /^policy .* loss - reference .*\n-.*\nfull +1\.00 /);
        assert.match(readFileSync(file("kl.svg"), "utf8"), /KL from the reference's full cache/);
      });

      const tokenizer = JSON.parse(readFileSync(`${beads}/tokenizer.json`, "utf8"));
      const { vocab } = tokenizer.model;
      const [first, second] = Object.keys(vocab).filter((token) => /^[a-z]+$/.test(token));
      [vocab[first], vocab[second]] = [vocab[second], vocab[first]];
      await withFolder({ ...beadsFiles(), "tokenizer.json": tokenizer }, async (other) => {
        const { code, err } = run([...base, "--reference", other]);
        assert.equal(code, 2);
        assert.match(err, /the reference has "\w+" for token \d+, this model "\w+": expected a model with the same/);
      });
      for (const [args, message] of [
        [[...base, "--reference", `${root}golden/qwen3`], /a vocabulary of 320 tokens/],
        [[...base, "--reference", "/nonexistent"], /no such folder/],
        [["compare", "--problems", "beads:2", "--reference", beads], /--reference belongs to --text/],
      ] as const)
        assert.match(run([...args]).err, message);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  test("demo compares the caches at equal reads", () => {
    const { rows, gain } = JSON.parse(run(["demo", "--json", "--problems", "6", "--most", "4"]).out);
    assert.ok(rows[1].reads <= rows[0].reads * 1.0001 || rows[1].chains === 1);
    assert.ok(gain.low <= gain.mean && gain.mean <= gain.high);
  });
});
