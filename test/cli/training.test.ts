// Training from the command line: data that do not fit, what of them is learned, and what a short run leaves and says.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { seeded } from "../../src/base/rng.ts";
import { roundsWell } from "../../src/cli/training-options.ts";
import { problem, question } from "../../src/eval/beads.ts";
import { Safetensors } from "../../src/model/safetensors.ts";
import { openSource } from "../../src/model/source.ts";
import { readJournal } from "../../src/train/disk/journal.ts";
import { program } from "../support/program.ts";

const models = fileURLToPath(new URL("../../models/", import.meta.url));
const [beads, abacus] = ["beads", "abacus"].map((name) => join(models, name));
const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "hyperthink-training-cli-"));
after(() => rmSync(folder, { recursive: true }));

const write = (name: string, lines: readonly unknown[]) => {
  const file = join(folder, name);
  writeFileSync(file, lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"));
  return file;
};
const texts = Array.from({ length: 40 }, (_, i) => `A jug holds ${2 + (i % 17)} beads. A can holds 2 jugs.`);
const tiny = ["--steps", "2", "--windows", "1", "--length", "64", "--held-out", "1"];

const rng = seeded(1);
const questions = Array.from({ length: 60 }, () => ({
  text: question(problem(rng, { steps: 2 + rng.below(3), distractors: 2 })),
}));

/** Runs the program and kills it once it tells of a step. */
async function killedAt(step: number, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "ignore"] });
  for await (const line of createInterface({ input: child.stdout }))
    if (JSON.parse(line).step === step) child.kill("SIGKILL");
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  assert.equal(child.signalCode, "SIGKILL");
}

let made = 0;
function run(command: "pretrain" | "retrofit", ...args: string[]) {
  const to = join(folder, `out${made++}`);
  const model = command === "pretrain" ? ["--from", beads] : ["-m", beads, "--train", "gates"];
  return { to, ...program([command, ...(args.includes("--config") ? [] : model), ...tiny, ...args, "-o", to]) };
}

describe("training from the command line", () => {
  test("leaves a model, its recipe, journal and plot, and as JSON says each line and the recipe", () => {
    const done = run(
      "pretrain",
      "--data",
      write(
        "texts.txt",
        texts.flatMap((text) => [text, "<|endoftext|>"]),
      ),
      "--json",
    );
    assert.equal(done.code, 0, done.err);
    const lines = done.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ step, kind }) => step ?? kind),
      [0, 1, 2, "pretrain"],
    );
    assert.ok(lines[1].learningRate < 3e-4 && lines[1].learningRate > 0, "a rate, not a share of one");
    for (const name of ["config.json", "model.safetensors", "training.json", "training.svg", "journal.jsonl"])
      assert.ok(existsSync(join(done.to, name)), name);
    assert.match(readFileSync(join(done.to, "training.svg"), "utf8"), /^<svg/);
    const again = program(["pretrain", "--from", beads, "--data", "x", "-o", done.to]);
    assert.match(again.err, /holds a finished run/);
  });

  test("what the assistant says can be learned alone, and ends with a token", () => {
    const chats = write(
      "chats.jsonl",
      texts.map((prompt) => ({ prompt, completion: " jug = 7" })),
    );
    const losses = [
      ["--learn", "all"],
      ["--learn", "assistant"],
      ["--learn", "assistant", "--end", "none"],
    ].map((more) => {
      const done = run("pretrain", "--data", chats, "--json", "--seed", "3", ...more);
      assert.equal(done.code, 0, done.err);
      return JSON.parse(done.out.split("\n")[0]).heldOut as number;
    });
    assert.equal(new Set(losses).size, 3, `${losses}`);
    for (const [more, message] of [
      [
        [
          "--learn",
          "assistant",
          "--data",
          write(
            "plain.jsonl",
            texts.map((text) => ({ text })),
          ),
        ],
        /got plain text/,
      ],
      [
        ["--data", chats, "--end", "<|nowhere|>"],
        /--end: expected one token of the model, or none, got "<\|nowhere\|>"/,
      ],
    ] as const) {
      const done = run("pretrain", ...more);
      assert.notEqual(done.code, 0);
      assert.match(done.err, message);
    }
  });

  test("a tokenizer is found beside the config, and a model by its file of weights", () => {
    const begun = join(folder, "begun");
    mkdirSync(begun);
    for (const name of readdirSync(beads).filter((name) => name.endsWith(".json") || name.endsWith(".jinja")))
      copyFileSync(join(beads, name), join(begun, name));
    const data = write("beside.txt", texts);
    const done = run("pretrain", "--config", join(begun, "config.json"), "--data", data);
    assert.equal(done.code, 0, done.err);
    assert.ok(existsSync(join(done.to, "tokenizer.json")));
    const from = ["--from", join(beads, "model.safetensors")];
    const none = program(["pretrain", ...from, "--data", "nowhere.txt", "-o", join(folder, "none")]);
    assert.match(none.err, /nowhere\.txt: no such file/);
  });

  test("problems are refused with another tokenizer than theirs", () => {
    const done = run("retrofit", "--data", "abacus", "--length", "1536");
    assert.notEqual(done.code, 0);
    assert.match(done.err, /--data abacus: expected the tokenizer of models\/abacus.*, got that of .*beads/);
    assert.ok(!existsSync(done.to));
  });

  test("a model that is read, or lies in the folder, is refused before anything else is done", () => {
    const to = join(folder, "model");
    cpSync(beads, to, { recursive: true });
    const config = readFileSync(join(to, "config.json"));
    for (const [command, message] of [
      [["retrofit", "-m", to, "--train", "full"], /model: this run reads that folder/],
      [["retrofit", "-m", beads, "--method", "kvzap"], /model holds config\.json already: expected another --out/],
      [["pretrain", "--from", to], /model: this run reads that folder/],
    ] as const)
      assert.match(program([...command, "--data", "nowhere.txt", "-o", to]).err, message);
    assert.deepEqual(readFileSync(join(to, "config.json")), config);
  });

  test("what makes no sense is refused before data are read or gates fitted", () => {
    const data = join(folder, "absent.txt");
    for (const [more, message] of [
      [["--train", "lora", "--rank", "0"], /--rank: expected a whole number from 1/],
      [["--train", "lora", "--lora-alpha", "0"], /--lora-alpha: expected a number above 0, got 0/],
      [["--alpha-scale", "0"], /--alpha-scale: expected a factor above 0, got 0/],
      [["--gates", "borrowed", "--init", "zero"], /--train gates: expected full, as these gates are borrowed/],
      [["--teacher", abacus], /--teacher .*abacus: expected a model of the student's form/],
      [["--length", "100000"], /length: expected at most the model's context/],
    ] as const) {
      const done = run("retrofit", "--data", data, "--init", "kvzap", ...more);
      assert.match(done.err, message);
    }
    assert.match(run("pretrain", "--data", data, "--length", "100000").err, /length: expected at most the model's/);
    const gated = join(models, "beads-dms-full-4x");
    assert.match(run("pretrain", "--data", data, "--from", gated).err, /expected a model without DMS gates/);
  });

  test("options that nobody would read are refused by name, before anything else", () => {
    const data = ["--data", join(folder, "absent.txt")];
    const unread = (args: readonly string[], words: RegExp) => {
      const [command, ...more] = args;
      assert.match(run(command as "retrofit", ...data, ...more).err, words);
    };
    for (const kl of ["reverse", "forward"])
      unread(
        ["retrofit", "--loss", "ntp", "--kl", kl],
        /--kl is read by --loss distill: expected the command without it/,
      );
    unread(["retrofit", "--loss", "ntp", "--teacher", beads], /--teacher is read by --loss distill/);
    unread(["retrofit", "--rank", "8"], /--rank is read by --train lora/);
    unread(["retrofit", "--surrogate", "mlp"], /--surrogate is read by --method kvzap/);
    unread(["retrofit", "--init", "zero", "--prompts", "3"], /--prompts is read by --init kvzap/);
    unread(["retrofit", "--eviction", "immediate", "--window", "16"], /--window is read by --eviction delayed/);
    unread(["retrofit", "--rate", "1"], /--rate is read by --train lora and full/);
    unread(
      ["retrofit", "--schedule", "constant", "--last", "0.3"],
      /--last is read by schedules that are not constant/,
    );
    unread(["retrofit", "--muon-rate", "1"], /--muon-rate is read by --optimizer muon/);
    unread(
      ["pretrain", "--held-out", "0", "--evaluate-each", "5"],
      /--evaluate-each is read by runs that have held-out/,
    );
    unread(["pretrain", "--look-back", "1"], /--look-back is read by --config, whose weights are drawn/);
    const made = ["--data", "abacus", "--learn", "assistant"];
    assert.match(run("retrofit", ...made).err, /--learn is read by data that come from files/);
    assert.match(run("retrofit", "--data", "abacus:settle=0", "--length", "1536").err, /settle has no value/);
  });

  test("new gates begin as a fit where nothing else is said, and closed where they cannot", () => {
    const data = write("questions-2.jsonl", questions);
    const begun = (...args: string[]) => {
      const { to, code, err } = run("retrofit", "--data", data, "--prompts", "4", "--length", "128", ...args);
      assert.equal(code, 0, err);
      return JSON.parse(readFileSync(join(to, "training.json"), "utf8"));
    };
    const fitted = begun();
    assert.deepEqual([fitted.start.prompts, fitted.shift, fitted.ramp.from], [4, 0, 3]);
    const layered = run("retrofit", "--data", data, "--length", "128", "--per", "layer");
    assert.equal(layered.code, 0, layered.err);
    assert.match(layered.err, /gates begin closed, since these cannot begin as a fit/);
    assert.match(layered.err, /evaluations predict \d+ held-out tokens/);
    const closed = JSON.parse(readFileSync(join(layered.to, "training.json"), "utf8"));
    assert.deepEqual([closed.start, closed.shift, closed.ramp.from], [null, 1, 1]);
  });

  test("gates that learn on keep their window and ratio; a flag for another form is refused", () => {
    const from = join(models, "beads-dms-gates-2x");
    const data = [
      "--data",
      write(
        "on.txt",
        texts.flatMap((text) => [text, "<|endoftext|>"]),
      ),
    ];
    const done = run("retrofit", ...data, "--from", from, "--steps", "1", "--cr", "3");
    assert.equal(done.code, 0, done.err);
    const { window, ramp } = JSON.parse(readFileSync(join(done.to, "training.json"), "utf8"));
    assert.deepEqual([window, ramp.from, ramp.cr], [16, 2, 3]);
    const other = run("retrofit", "--data", join(folder, "absent.txt"), "--from", from, "--shift", "0");
    assert.match(other.err, /--shift 0: expected 1, as the gates of .*beads-dms-gates-2x have it/);
  });

  test("the recipe tells files, how they were read, and the device", () => {
    const prompt = texts[0];
    const files = ["one.jsonl", "two.jsonl"].map((name) =>
      write(
        name,
        texts.map((completion) => ({ prompt, completion })),
      ),
    );
    const data = files.flatMap((file) => ["--data", file]);
    const more = ["--dtype", "f32", "--optimizer", "adamw", "--steps", "1"];
    const done = run("pretrain", ...data, "--learn", "assistant", "--long", "drop", "--end", "none", ...more);
    assert.equal(done.code, 0, done.err);
    const recipe = JSON.parse(readFileSync(join(done.to, "training.json"), "utf8"));
    assert.deepEqual(recipe.files, ["one.jsonl", "two.jsonl"]);
    assert.deepEqual([recipe.learn, recipe.long, recipe.end], ["assistant", "drop", null]);
    assert.deepEqual([recipe.dtype, recipe.optimizer.matrices], ["F32", "adamw"]);
    assert.equal(JSON.parse(readFileSync(join(done.to, "config.json"), "utf8")).torch_dtype, "float32");
    assert.match(recipe.device, /cpu|reference/);
    assert.match(recipe.data, /2 files/);
  });

  test("a retrofit does what its options say, each at a value of its own", async () => {
    const long = texts.slice(0, 5).join(" ");
    const data = write(
      "options.jsonl",
      [...texts, long].map((text) => ({ text })),
    );
    const { to, code, err } = run(
      "retrofit",
      ...["--data", data, "--long", "drop", "--length", "40", "--steps", "3", "--accumulate", "2", "--threads", "1"],
      ...["--train", "full", "--init", "zero", "--window", "3", "--trigger", "random", "--dtype", "f32"],
      ...["--tau", "0.375", "--alpha-scale", "12", "--alpha-offset", "0.75", "--sparsity", "2.5"],
      // 8.5 is out of reach: the keys in the window alone are more of so short a text.
      ...["--cr", "9", "--cr-from", "7", "--cr-steps", "2", "--achieve", "1.0625,8.5", "--evaluate-each", "1"],
      ...["--save-each", "2", "--recompute", "--products", roundsWell({}) ? "f32" : "bf16"],
      ...["--optimizer", "muon", "--muon-rate", "0.0035", "--rate", "4e-4", "--gate-rate", "0.05"],
      ...["--decay", "0.03125", "--clip", "0.75", "--warmup", "1", "--schedule", "linear", "--last", "0.25"],
    );
    assert.equal(code, 0, err);
    const read = (...names: string[]) => JSON.parse(readFileSync(join(to, ...names), "utf8"));
    assert.partialDeepStrictEqual(read("training.json"), {
      ...{ long: "drop", accumulate: 2, trigger: "random", dtype: "F32", tau: 0.375, alphaOffset: 0.75 },
      ...{ sparsityWeight: 2.5, ramp: { from: 7, cr: 9, perUnit: 2 }, achieve: [1.0625, 8.5], saveEach: 2 },
      ...{ recompute: true, bf16: !roundsWell({}), schedule: { warmup: 1, shape: "linear", last: 0.25 } },
      optimizer: { matrices: "muon", muonRate: 0.0035, rate: 4e-4, gateRate: 0.05, decay: 0.03125, clip: 0.75 },
      reached: { step: 3, missed: [8.5] },
    });
    assert.match(err, /1 document of more than 40 tokens: what is beyond them was dropped/);
    const entries = await readJournal(join(to, "journal.jsonl"));
    assert.deepEqual(
      entries.map(({ targetCr, learningRate }) => [targetCr, learningRate]),
      [[undefined, undefined], ...[7.5, 8, 8.5].map((cr, i) => [cr, 4e-4 * [0.5, 0.625, 0.25][i]])],
    );
    assert.ok(entries[1].tokens! > 40, "two batches of a window");
    assert.equal(read("step-2", "training.json").reached.step, 2);
    const first = entries.find(({ step, heldOutCr }) => step > 0 && heldOutCr! >= 1.0625);
    assert.equal(read("cr1.0625", "training.json").reached.step, first?.step);
    for (const name of ["", "step-2", "cr1.0625"]) {
      const config = read(name, "config.json");
      const { dms_tau, dms_alpha_scale, dms_initial_alpha_offset, dms_window_size, torch_dtype } = config;
      const form = [dms_tau, dms_alpha_scale, dms_initial_alpha_offset, dms_window_size, torch_dtype];
      assert.deepEqual(form, [0.375, 12, 0.75, 3, "float32"]);
      await using file = await Safetensors.open(await openSource(join(to, name)));
      for (const [tensor, { dtype }] of file.tensors) assert.equal(dtype, "F32", tensor);
    }
    assert.deepEqual(
      readdirSync(to)
        .filter((name) => /^(step-|cr)/.test(name))
        .sort(),
      ["cr1.0625", "step-2"],
    );
  });

  test("lines that cannot be read end a run, or are skipped and counted", () => {
    const lines = texts.map((text) => ({ text }));
    const data = write("lines.jsonl", [...lines.slice(0, 3), "{no", { words: "" }, ...lines.slice(3)]);
    const refused = run("pretrain", "--data", data);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /lines\.jsonl: 2 bad lines: .*line 4: .*line 5: .*or have bad lines skipped/);
    assert.ok(!existsSync(refused.to));
    const { to, code, err } = run("pretrain", "--data", data, "--skip-bad-lines", "--steps", "1");
    assert.equal(code, 0, err);
    assert.match(err, /lines\.jsonl: 2 bad lines skipped: .*line 4: .*line 5: /);
    const recipe = JSON.parse(readFileSync(join(to, "training.json"), "utf8"));
    assert.match(recipe.data, new RegExp(`lines\\.jsonl: ${texts.length} documents`));
  });

  test("gates from a surrogate: a run that is killed goes on with them and ends with the bits of one that was not", async () => {
    const data = write("questions.jsonl", questions);
    const args = (to: string) => [
      ...["retrofit", "-m", beads, "--train", "gates", "--data", data, "--init", "kvzap", "--prompts", "6", "--json"],
      ...["--steps", "6", "--windows", "1", "--length", "128", "--held-out", "1", "--checkpoint-each", "1"],
      ...["--cr", "3", "--cr-steps", "2", "--gate-rate", "1e-2", "-o", join(folder, to)],
    ];
    const whole = program(args("whole"));
    assert.equal(whole.code, 0, whole.err);
    assert.match(whole.err, /gates begin as a surrogate that explains \d+% of log scores, at CR 2\.25/);
    assert.match(whole.err, /about .* of memory and \d+ s/);
    const { start } = JSON.parse(readFileSync(join(folder, "whole", "training.json"), "utf8"));
    assert.deepEqual(start, { scores: "kvzip", prompts: 6, heldOut: 1, sharpness: 3 });
    await killedAt(3, args("killed"));
    const other = program([...args("killed"), "--scores", "kvzip+"]);
    assert.match(other.err, /start\.scores was "kvzip", now "kvzip\+"/);
    const resumed = program(args("killed"));
    assert.equal(resumed.code, 0, resumed.err);
    assert.match(resumed.err, /going on after step [23] /);
    assert.doesNotMatch(resumed.err, /gates begin as/);
    for (const name of ["model.safetensors", "config.json"])
      assert.deepEqual(readFileSync(join(folder, "killed", name)), readFileSync(join(folder, "whole", name)), name);
    const [one, two] = ["killed", "whole"].map((to) => readFileSync(join(folder, to, "training.json"), "utf8"));
    const untimed = (json: string) => json.replace(/"seconds": [\d.]+/, "");
    assert.equal(untimed(one), untimed(two));
  });

  test("help says where fitted gates come from, and that other programs read them otherwise", () => {
    const help = program(["retrofit", "--help"]).out;
    assert.match(help, /dms_label_shift 0.*\n.*NVIDIA's code knows neither/);
    const docs = readFileSync(fileURLToPath(new URL("../../docs/training.md", import.meta.url)), "utf8");
    assert.match(docs, /`dms_label_shift` 0/);
  });

  test("a family begins below the least of its ratios, and saves nothing that has not learned", () => {
    const done = program([
      ...["retrofit", "-m", beads, "--train", "gates", "--data", write("family.jsonl", questions), "--prompts", "6"],
      ...["--steps", "10", "--windows", "1", "--length", "128", "--held-out", "2", "--evaluate-each", "1"],
      ...["--window", "4", "--cr", "8", "--cr-steps", "1", "--gate-rate", "5e-2", "--achieve", "1.2,1.6"],
      ...["-o", join(folder, "family")],
    ]);
    assert.equal(done.code, 0, done.err);
    assert.match(done.err, /gates begin as .* at CR 1\b/);
    assert.match(done.out, /saved in .*family \(held out \d\.\d+, at CR 1\.\d\d\);/);
    for (const form of ["cr1.2", "cr1.6"]) {
      const { reached } = JSON.parse(readFileSync(join(folder, "family", form, "training.json"), "utf8"));
      assert.ok(reached.step > 0 && reached.heldOutCr >= Number(form.slice(2)), form);
    }
  });

  test("gates from a surrogate are for new ones of each head", () => {
    const data = write("more.txt", texts);
    for (const more of [
      ["--per", "layer"],
      ["--shift", "1"],
      ["--from", abacus],
    ]) {
      const done = run("retrofit", "--data", data, "--init", "kvzap", ...more);
      assert.match(done.err, /--init kvzap: expected new gates of their own, one per head/);
    }
    const dms = join(models, "beads-dms-full-4x");
    const done = program([
      "retrofit",
      "-m",
      dms,
      "--data",
      data,
      ...tiny,
      "--init",
      "kvzap",
      "-o",
      join(folder, "none"),
    ]);
    assert.match(done.err, /--init kvzap: expected a model without gates/);
  });
});
