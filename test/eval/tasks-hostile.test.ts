// Texts that a model, or a file, may hold in order to keep the main thread busy: each is read in linear time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { codeBlocks } from "../../src/eval/code/blocks.ts";
import { decodePrivateTests } from "../../src/eval/code/encoded.ts";
import { type FunctionProblem, humanEvalProgram } from "../../src/eval/code/humaneval.ts";
import { contestProgram } from "../../src/eval/code/livecodebench.ts";
import { taskRecipes } from "../../src/eval/tasks/index.ts";
import { taskOf } from "../../src/eval/tasks/recipe.ts";
import { reply } from "../support/reply.ts";

/** Milliseconds of processor time: quadratic work on these texts takes seconds, linear work a few milliseconds. */
const SOON = 1500;
function soon(what: string, work: () => unknown): void {
  const started = process.cpuUsage();
  work();
  const { user } = process.cpuUsage(started);
  assert.ok(user / 1000 < SOON, `${what} took ${user / 1000} ms`);
}

const N = 80_000;
const many = (text: string) => text.repeat(N);
const TEXTS: Record<string, string> = {
  "newlines and a word": `${many("\n")}x`,
  "newlines and blanks": `${many("\n ")}x`,
  "a fence, blanks and a backtick": `\`\`\`${many(" ")}\``,
  "tildes and a backtick": `${many("~")}\``,
  "backticks and a word": `${many("`")}x\``,
  "blanks and a fence": `${many(" ")}x\`\`\``,
  "open fences": many("```python\n"),
  "a name and blanks": `x${many(" ")}y`,
  "def and newlines": `def${many("\n")}area`,
  "defs of the name": `${many("def area ")}x`,
  "async and newlines": `async${many("\n")}x`,
  "open boxes": many("\\boxed{"),
  "answers without end": many("Answer: "),
  "open brackets": `Answer: 1${many("(")}`,
  digits: many("1"),
  "digits with commas": many("1,"),
  "choices without end": many("(A) "),
};

const problem: FunctionProblem = {
  ...{ id: "x/0", prompt: "def area(r):\n    ''' of a circle '''\n", entry: "area" },
  ...{ solution: "    return r\n", check: "" },
};

test("programs are found in hostile replies in linear time", () => {
  for (const [name, text] of Object.entries(TEXTS)) {
    soon(`codeBlocks of ${name}`, () => codeBlocks(text));
    soon(`contestProgram of ${name}`, () => contestProgram(text));
    soon(`humanEvalProgram of ${name}`, () => humanEvalProgram(problem, text));
    soon(`humanEvalProgram of a block of ${name}`, () =>
      humanEvalProgram(problem, `\`\`\`python\n${text.replaceAll("`", "'")}\n\`\`\``),
    );
  }
});

test("private tests that are no base64 are refused in linear time, packed ones may hold blanks", () => {
  for (const text of [`A${many(" ")}!`, `A${many("\n")}`, `${many("=")}A`, `${many(" ")}`, many("A= ")])
    soon(`decoding ${JSON.stringify(text.slice(0, 5))}`, () =>
      assert.throws(() => decodePrivateTests(text), { message: /neither JSON nor base64|incorrect|unexpected/ }),
    );
  const pickle = Buffer.from([0x80, 4, 0x8c, 2, 0x5b, 0x5d, 0x94, 0x2e]);
  const packed = deflateSync(pickle).toString("base64");
  assert.equal(decodePrivateTests(`\n${packed.replace(/.{8}/g, "$&\r\n")}\n`), "[]");
});

test("every task reads hostile replies in linear time", () => {
  const item = { id: "0", question: "1 2 3 4", gold: "24", options: ["a", "b", "c", "d"] };
  const others = { problem, words: ["1"], among: null, pattern: /\d+/g, choices: ["a", "b"] };
  let extracted = 0;
  for (const recipe of taskRecipes) {
    const task = taskOf(recipe);
    if (task.kind !== "vote") continue;
    for (const [name, text] of Object.entries(TEXTS)) {
      soon(`${recipe.name}, ${name}`, () => task.extract({ ...item, ...others } as never, reply(text)));
      extracted++;
    }
  }
  assert.ok(extracted > 100);
});
