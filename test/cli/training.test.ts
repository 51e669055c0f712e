// Training from the command line: data that do not fit, what of them is learned, and what a short run leaves and says.
import assert from "node:assert/strict";
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
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { program } from "../support/program.ts";

const models = fileURLToPath(new URL("../../models/", import.meta.url));
const [beads, abacus] = ["beads", "abacus"].map((name) => join(models, name));
const folder = mkdtempSync(join(tmpdir(), "hyperthink-training-cli-"));
after(() => rmSync(folder, { recursive: true }));

const write = (name: string, lines: readonly unknown[]) => {
  const file = join(folder, name);
  writeFileSync(file, lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"));
  return file;
};
const texts = Array.from({ length: 40 }, (_, i) => `A jug holds ${2 + (i % 17)} beads. A can holds 2 jugs.`);
const tiny = ["--steps", "2", "--windows", "1", "--length", "64", "--held-out", "1"];

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
