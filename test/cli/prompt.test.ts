// What the program makes of its prompt and its flags, through real pipes: text as it was given,
// and who decides how tokens are drawn.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { stopTexts, thinkingTags, variables } from "../../src/cli/parse.ts";
import { promptOf } from "../../src/cli/prompt.ts";
import { program } from "../support/program.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const beads = `${root}models/beads`;
const [golden] = JSON.parse(readFileSync(`${root}golden/beads-text/golden.json`, "utf8")).cases;

const folder = mkdtempSync(join(tmpdir(), "hyperthink-prompt-"));
after(() => rmSync(folder, { recursive: true }));

const run = (args: string[], input?: string | Uint8Array | number) => program(args, { input });

const short = ["--max-tokens", "1", "--json"];
/** The prompt's text that `generate` rendered. */
function rendered(args: string[], stdin?: string | Buffer): string {
  const { out, err } = run(["generate", ...short, ...args], stdin);
  assert.ok(out, err);
  return JSON.parse(out).prompt.text;
}
const asked = (text: string) => `<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n<think>\n`;

/** The beads model with some of its files changed. */
function altered(name: string, files: Record<string, object | string>): string {
  const model = join(folder, name);
  cpSync(beads, model, { recursive: true });
  for (const [file, content] of Object.entries(files))
    writeFileSync(join(model, file), typeof content === "string" ? content : JSON.stringify(content));
  return model;
}

const odd = "\ufeff\u00a0 \n\tWhy?\u00a0 \n";

describe("a prompt is text as it was given", () => {
  test("--raw: a chat's prompt with its last newline draws what the chat draws", () => {
    const { out } = run(["generate", "-m", beads, "--raw", "--max-tokens", "30", "--json"], golden.prompt);
    const { prompt, ids } = JSON.parse(out);
    assert.ok(golden.prompt.endsWith("<think>\n"));
    assert.equal(prompt.tokens, golden.prompt_ids.length);
    assert.deepEqual(ids, golden.greedy_ids.slice(0, 30));
  });
  test("--raw keeps every character, from a pipe and from an argument", () => {
    assert.equal(rendered(["--raw"], `${odd}\n`), `${odd}\n`);
    assert.equal(rendered(["--raw", odd]), odd);
    assert.equal(rendered(["--raw"], "\n"), "\n");
  });
  test("without it, standard input loses one newline, and nothing else", () => {
    assert.equal(rendered([], `${odd}\n`), asked(odd));
    assert.equal(rendered([], "Why?\r\n"), asked("Why?"));
    assert.equal(rendered([], "Why? \n\n"), asked("Why? \n"));
  });
  test("arguments are joined by blanks, with standard input where - stands", () => {
    assert.equal(rendered([" Why", odd]), asked(` Why ${odd}`));
    assert.equal(rendered(["Read:", "-", "Why?"], "a text\n"), asked("Read: a text Why?"));
    assert.equal(rendered(["--raw", "-"], "a text\n"), "a text\n");
    assert.match(run(["generate", "-", "-"], "x").err, /expected it once/);
  });
  test("a system text may be empty, which is not the same as none", () => {
    assert.deepEqual(promptOf("x", { system: "" }), [
      { role: "system", content: "" },
      { role: "user", content: "x" },
    ]);
    assert.equal(rendered(["--system", " a ", "x"]), `<|im_start|>system\n a <|im_end|>\n${asked("x")}`);
  });
  test("a blank question is refused", () => {
    for (const [args, stdin] of [
      [[" \u00a0"], ""],
      [[], " \n\n"],
      [[], ""],
      [["--raw"], ""],
    ] as const) {
      const { code, err } = run(["generate", ...args], stdin);
      assert.equal(code, 2);
      assert.match(err, /expected a prompt as an argument or on standard input, got (an empty one|nothing but blanks)/);
    }
  });
  test("bytes that are not UTF-8 are refused by line, not replaced", () => {
    const latin = Buffer.from("one\ntwo\ncaf\xe9\n", "latin1");
    const { code, err } = run(["generate"], latin);
    assert.equal(code, 2);
    assert.match(err, /standard input, line 3: expected UTF-8 text/);
    const file = join(folder, "latin.txt");
    writeFileSync(file, latin);
    for (const flag of ["--text", "--problems"])
      assert.match(run(["compare", "full", flag, file]).err, /latin\.txt: line 3: expected UTF-8 text/);
  });
  test("a byte order mark before problems is no part of them", () => {
    const file = join(folder, "bom.jsonl");
    writeFileSync(file, '\ufeff{"prompt": "A jug holds 7 beads. How many beads does a jug hold?", "answer": 7}\n');
    const { code, err } = run(["compare", "full", "--problems", file, "--width", "1", "--max-tokens", "2"]);
    assert.equal(code, 0, err);
  });
});

describe("standard input beside an argument", () => {
  test("is refused where it holds text, from a pipe and from a file", () => {
    const file = join(folder, "notes.txt");
    writeFileSync(file, "notes\n");
    for (const stdin of ["notes\n", openSync(file, "r")]) {
      const { code, out, err } = run(["generate", "Why?"], stdin);
      assert.equal(code, 2);
      assert.match(err, /text on standard input beside the prompt: write - among the arguments/);
      assert.equal(out, "");
    }
  });
  test("does not matter where it is empty", () => {
    const file = join(folder, "empty.txt");
    writeFileSync(file, "");
    for (const stdin of ["", openSync(file, "r"), openSync("/dev/null", "r")])
      assert.equal(run(["generate", ...short, "Why?"], stdin).code, 0);
  });
  test("is told of where it comes late", async () => {
    const child = spawn(
      process.execPath,
      [`${root}src/cli/main.ts`, "scale", "--width", "64", "--no-early-stop", "--temperature", "3", "Why?"],
      {
        timeout: 30_000,
      },
    );
    let told = "";
    child.stdout.once("data", () => child.stdin.write("notes")); // the chains have begun
    child.stderr.on("data", (part) => {
      told += part;
    });
    child.stdout.resume();
    assert.deepEqual(await new Promise((resolve) => child.on("close", (...how) => resolve(how))), [0, null]);
    assert.match(told, /note: text came on standard input after the prompt had begun/);
    child.stdin.destroy();
  });
});

describe("flags", () => {
  test("escapes in --stop", () => {
    for (const [written, read] of [
      ["\\nUser:", "\nUser:"],
      ["\\r\\n\\t", "\r\n\t"],
      ["\\\\n", "\\n"],
      ["\\\\\\n", "\\\n"],
      ["\\u0041\\u{1F600}\\ud83d\\ude00", "A😀😀"],
      ["\\boxed{\\frac12}", "\\boxed{\\frac12}"],
      ["\\u12\\u{}\\x41\\N\\", "\\u12\\u{}\\x41\\N\\"],
    ])
      assert.deepEqual(stopTexts(written, ["before"]), ["before", read]);
    assert.throws(() => stopTexts("\\u{110000}"), /up to/);
    const { out } = run(["generate", "--policy", "full", "--stop", "\\nA"], golden.messages[0].content);
    assert.equal(out, `${golden.text.slice(0, golden.text.indexOf("\nA"))}\n`);
  });
  test("--stop-id ends the output beside the model's own ids", () => {
    const id = golden.greedy_ids[7];
    const ids = (args: string[]) =>
      JSON.parse(run(["generate", "-m", beads, "--json", ...args], golden.messages[0].content).out).ids;
    const stopped = ids(["--stop-id", "0", "--stop-id", String(id)]);
    assert.deepEqual(stopped, golden.greedy_ids.slice(0, golden.greedy_ids.indexOf(id) + 1));
    assert.equal(ids(["--stop-id", "0"]).at(-1), golden.greedy_ids.at(-1));
    const { code, err } = run(["scale", "--stop-id", "512", "Why?"]);
    assert.equal(code, 2);
    assert.match(err, /stop id 512: expected a token id from 0 to 511/);
  });
  test("variables of the chat template", () => {
    let read: Record<string, unknown> = {};
    for (const text of ["a=false", "b=3", "c=x=y", 'd={"e":[1]}', "f=", "a=true"]) read = variables(text, read);
    assert.deepEqual(read, { a: true, b: 3, c: "x=y", d: { e: [1] }, f: "" });
    for (const wrong of ["a", "=1", "1a=2", "a b=1", "messages=[]", "a=False", "a=None"])
      assert.throws(() => variables(wrong), /expected/, wrong);
    const model = altered("variables", {
      "chat_template.jinja": "{{ messages[0].content }}{% if loud %}!{% endif %}{{ mark }}",
    });
    assert.equal(rendered(["-m", model, "--template-var", "loud=true", "--template-var", "mark=?", "Why"]), "Why!?");
    assert.equal(rendered(["-m", model, "--template-var", "loud=false", "Why"]), "Why");
    for (const flags of [
      ["--template-var", "loud=true"],
      ["--system", "a"],
    ])
      assert.match(run(["generate", "--raw", ...flags, "x"]).err, /belongs to the chat template/);
  });
  test("flags that change nothing are told of", () => {
    assert.match(
      run(["generate", "--max-tokens", "1", "--logprobs", "3", "Why?"]).err,
      /--logprobs is shown with --json only/,
    );
    const greedy = ["scale", "--width", "2", "--temperature", "0", "--max-tokens", "2", "Why?"];
    assert.match(run(greedy).err, /greedy chains are all alike/);
  });
  test("--control-tokens says what a spelled control token in the question is", () => {
    const tokens = (...how: string[]) =>
      JSON.parse(run(["generate", ...short, ...how, "Hi <|im_end|> there"]).out).prompt.tokens;
    assert.equal(tokens(), tokens("--control-tokens", "text"));
    assert.ok(tokens() > tokens("--control-tokens", "parse"));
    assert.match(run(["generate", "--raw", "--control-tokens", "text", "x"]).err, /belongs to the chat template/);
  });
  test("tags of the thinking", () => {
    assert.deepEqual(thinkingTags("[THINK],[/THINK]"), { open: "[THINK]", close: "[/THINK]" });
    assert.equal(thinkingTags("none"), "none");
    for (const wrong of ["", "<think>", ",x", "x,", "a,b,c"])
      assert.throws(() => thinkingTags(wrong), /expected two tags/);
    const reasons = (...flags: string[]): string[] =>
      JSON.parse(run(["scale", "--width", "2", "--max-tokens", "9", "--json", ...flags, "Why?"]).out).chains.map(
        (chain: { answer: { reason?: string } }) => chain.answer.reason ?? "",
      );
    // The prompt opens <think>; these chains are cut off before they close it.
    for (const reason of reasons()) assert.match(reason, /thinking/);
    for (const reason of reasons("--thinking", "none")) assert.doesNotMatch(reason, /thinking/);
  });
});

describe("sampling", () => {
  const suggestion = { eos_token_id: 477, do_sample: true, temperature: 0.6, top_k: 20, top_p: 0.95 };
  const sampled = altered("sampled", { "generation_config.json": suggestion });
  const odd = altered("odd", {
    "generation_config.json": { ...suggestion, do_sample: false, temperature: -3, num_beams: 4 },
  });

  test("is the checkpoint's where no flag names it, and the usage line says so", () => {
    const { sampling } = JSON.parse(run(["generate", "-m", sampled, ...short, "--top-k", "3", "Why?"]).out);
    const { from, ...used } = sampling;
    assert.deepEqual(used, {
      temperature: 0.6,
      topK: 3,
      topP: 0.95,
      minP: 0,
      repetitionPenalty: 1,
      seed: 0,
      logprobs: 0,
    });
    assert.deepEqual([from.temperature, from.topK, from.minP], ["generation_config", "given", "default"]);
    const { err } = run(["generate", "-m", sampled, "--max-tokens", "1", "--top-k", "3", "--seed", "5", "Why?"]);
    assert.match(
      err,
      /; temperature 0\.6 \(generation_config\.json\), top-k 3 \(flags\), top-p 0\.95 \(generation_config\.json\), seed 5 \(flags\);/,
    );
  });
  test("is greedy where a flag says so, and where nobody says anything", () => {
    const greedy = run(
      ["generate", "-m", sampled, "--temperature", "0", "--max-tokens", "30"],
      golden.messages[0].content,
    );
    assert.match(greedy.err, /; greedy \(flags\);/);
    const plain = run(["generate", "-m", beads, "--max-tokens", "30"], golden.messages[0].content);
    assert.match(plain.err, /; greedy \(default\);/);
    assert.equal(greedy.out, plain.out);
  });
  test("of a vote is never greedy by suggestion; what is not applied is told", () => {
    const { out, err } = run(["scale", "-m", odd, "--width", "2", ...short, "Why?"]);
    const { sampling } = JSON.parse(out);
    assert.deepEqual([sampling.temperature, sampling.from.temperature, sampling.topK], [1, "default", 20]);
    assert.match(err, /note: generation_config\.json: temperature -3 is ignored: temperature must be/);
    assert.match(err, /note: generation_config\.json: num_beams 4: not applied/);
  });
  test("flags that change nothing are told", () => {
    assert.match(
      run(["generate", "-m", odd, ...short, "--top-p", "0.9", "Why?"]).err,
      /greedy, so --top-p changes nothing/,
    );
  });
  test("of verify and compare is their own, whatever the checkpoint suggests", () => {
    assert.equal(run(["verify", "-m", sampled, `${root}golden/beads-text`]).code, 0);
    const compared = (model: string) =>
      run(["compare", "full", "-m", model, "--problems", "beads:2", "--width", "2", "--max-tokens", "99", "--json"])
        .out;
    assert.equal(compared(sampled), compared(beads));
  });
  test("compare gives abacus problems room for their solutions, or what a flag says", () => {
    const config = { ...JSON.parse(readFileSync(`${beads}/config.json`, "utf8")), eos_token_id: 511 }; // no token's
    const endless = altered("endless", {
      "config.json": config,
      "generation_config.json": {},
      "tokenizer_config.json": { chat_template: "{{ messages[0].content }}" },
    });
    const tokens = (...flags: string[]) => {
      const { out, err } = run(["compare", "full", "-m", endless, "--width", "1", "--json", "--problems", ...flags]);
      assert.ok(out, err);
      return JSON.parse(out).rows.map((row: { problems: number; tokens: number }) => [row.problems, row.tokens]);
    };
    assert.deepEqual(tokens("abacus:1"), [[1, 1472]]);
    assert.deepEqual(tokens("abacus:2", "--max-tokens", "9"), [[2, 9]]);
    assert.deepEqual(tokens("beads:1"), [[1, 440]]);
  });
});

test("one of a thing is singular", () => {
  const { err } = run(["demo", "--problems", "1", "--width", "1", "--most", "1"]);
  assert.match(err, /full cache: 1 problem, 1 chain each, /);
});
