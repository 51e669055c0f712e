// The task of the abacus model: its problems, its solutions, and their tokens against the real tokenizer's.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { seeded } from "../../src/base/rng.ts";
import {
  ABACUS_CONTEXT,
  type AbacusExample,
  type AbacusOptions,
  abacusExample,
  abacusPiece,
} from "../../src/eval/abacus/example.ts";
import { type AbacusShape, abacusProblem } from "../../src/eval/abacus/problem.ts";
import { ABACUS_TOKENS, abacusProblems, grade } from "../../src/eval/abacus/problems.ts";
import { promptTokens, questionTokens } from "../../src/eval/abacus/sentences.ts";
import { tokenizerFiles } from "../../src/eval/abacus/tokenizer.ts";
import { trace } from "../../src/eval/abacus/trace.ts";
import { NAMES, SPECIAL, TOKENS, textOf, VOCABULARY_SIZE, WORDS } from "../../src/eval/abacus/vocabulary.ts";
import { loadChat } from "../../src/model/chat.ts";
import { openSource } from "../../src/model/source.ts";
import { loadTokenizer, type Tokenizer } from "../../src/model/tokenizer.ts";
import { extractAnswer } from "../../src/scale/answer.ts";

const folder = fileURLToPath(new URL("../../models/abacus", import.meta.url));

/** Examples with streams of their own. */
const examples = (count: number, options: AbacusOptions = {}, seed = 1): AbacusExample[] =>
  Array.from({ length: count }, (_, i) => abacusExample(seeded(seed, 1, i), options));

/** How far counts are from what is expected: chi squared. */
const chi = (counts: readonly number[], expected: readonly number[]): number =>
  counts.reduce((sum, count, i) => sum + (count - expected[i]) ** 2 / expected[i], 0);

interface Told {
  facts: Map<string, string[]>; // what each container holds, as written
  asked: string;
  answer: number;
  needed: Set<string>;
}

/** Reads a question by its grammar, and solves it from the text alone. */
function read(text: string): Told {
  const whole = /^((?:A [a-z]+ holds [^.]+\. )+)How many beads does a ([a-z]+) hold\?$/.exec(text);
  assert.ok(whole, text);
  const facts = new Map<string, string[]>();
  for (const [, name, held] of whole[1].matchAll(/A ([a-z]+) holds ([^.]+)\. /g)) {
    assert.ok(!facts.has(name), `${name} twice`);
    const parts = held.split(/, | and /);
    assert.ok(parts.length <= 3 && held === parts.join(", ").replace(/, (?=[^,]*$)/, " and "), held);
    facts.set(name, parts);
  }
  const values = new Map<string, number>();
  const value = (name: string): number => {
    const known = values.get(name);
    if (known !== undefined) return known;
    let sum = 0;
    const parts = facts.get(name);
    assert.ok(parts, `${name} is not told`);
    for (const [i, part] of parts.entries()) {
      const [, count, thing] = /^(\d+) ([a-z]+)$/.exec(part)!;
      const n = Number(count);
      if (thing === "beads") {
        assert.ok(n >= 2 && n <= 19 && i === parts.length - 1, part);
        sum += n;
        continue;
      }
      assert.ok(n >= 1 && n <= 4 && thing.endsWith("s") === n > 1, part);
      sum += n * value(n > 1 ? thing.slice(0, -1) : thing);
    }
    values.set(name, sum);
    return sum;
  };
  return { facts, asked: whole[2], answer: value(whole[2]), needed: new Set(values.keys()) };
}

const questionOf = ({ prompt }: AbacusExample): string => /^<\|im_start\|>user\n(.*)<\|im_end\|>/s.exec(prompt)![1];

interface Pass {
  order: string[];
  lines: string[]; // of arithmetic
  values: Map<string, number>;
  results: number; // written products of more than one, and sums
  slips: number; // those of them that are wrong
}

/** Reads a solution by its grammar and against the question; all but the slips must be right. */
function follow(example: AbacusExample): { quoted: string[]; passes: Pass[] } {
  const { facts, asked, needed } = read(questionOf(example));
  const [, thinking, box] = /^(.*)<\/think>\n\\boxed\{(\d+)\}<\|im_end\|>$/s.exec(example.completion)!;
  assert.equal(Number(box), example.said);
  const quotes = /^(?:A [a-z]+ holds .*\.\n)+/.exec(thinking)![0];
  const quoted: string[] = [];
  for (const [sentence, name] of quotes.matchAll(/A ([a-z]+) holds .*\.(?=\n)/g)) {
    assert.ok(questionOf(example).includes(sentence), sentence);
    const mentioned = quoted.flatMap((other) => facts.get(other)!).some((part) => RegExp(` ${name}s?$`).test(part));
    assert.ok(name === asked ? quoted.length === 0 : mentioned, `${name} is quoted before a quote mentions it`);
    quoted.push(name);
  }
  assert.deepEqual(new Set(quoted), needed);
  assert.equal(quoted.length, needed.size);
  let last: Map<string, number> | null = null;
  const passes = thinking
    .slice(quotes.length)
    .split(" wait\n")
    .map((text) => {
      const pass = readPass(text, facts, last);
      assert.deepEqual(new Set(pass.order), needed);
      last = pass.values;
      return pass;
    });
  assert.equal(passes.at(-1)!.values.get(asked), example.said);
  return { quoted, passes };
}

function readPass(text: string, facts: Told["facts"], last: Map<string, number> | null): Pass {
  const pass: Pass = { order: [], lines: [], values: new Map(), results: 0, slips: 0 };
  const line = /^(?:([a-z]+): (.*)\n)?([a-z]+) = (\d+)(?: not (\d+))?\n/;
  for (let rest = text; rest; ) {
    const [whole, head, sides, name, written, not] = line.exec(rest) ?? assert.fail(`no line: ${rest}`);
    rest = rest.slice(whole.length);
    const held = facts.get(name)!;
    const value = Number(written);
    if (head === undefined) assert.deepEqual(held, [`${value} beads`]);
    else {
      assert.equal(head, name);
      const [terms, factors, products] = sides.split(" = ").map((side) => side.split(" + "));
      assert.deepEqual(terms.toSorted(), held.toSorted());
      pass.lines.push(sides);
      for (const [i, term] of terms.entries()) {
        const [, count, thing] = /^(\d+) ([a-z]+)$/.exec(term)!;
        const part = thing === "beads" ? null : pass.values.get(Number(count) > 1 ? thing.slice(0, -1) : thing);
        assert.notEqual(part, undefined, `${thing} is not worked out yet`);
        assert.equal(factors[i], part === null ? count : `${count} * ${part}`);
        if (part === null || count === "1") assert.equal(Number(products[i]), Number(part ?? count));
        else check(Number(products[i]), Number(count) * part!);
      }
      check(
        value,
        products.reduce((sum, product) => sum + Number(product), 0),
      );
    }
    const before = last?.get(name);
    assert.equal(not, before === undefined || before === value ? undefined : String(before), whole);
    assert.ok(!pass.values.has(name));
    pass.order.push(name);
    pass.values.set(name, value);
  }
  function check(got: number, right: number): void {
    pass.results++;
    if (got === right) return;
    pass.slips++;
    const digits = [String(got), String(right)];
    const other = digits[0].length === digits[1].length && [...digits[0]].filter((d, i) => d !== digits[1][i]).length;
    assert.ok([1, 2, 10].includes(Math.abs(got - right)) || other === 1 || got === 1, `${got} for ${right}`);
  }
  return pass;
}

describe("problems", () => {
  test("every text has the grammar, and its answer follows from the text alone", () => {
    for (const p of abacusProblems({ count: 3000, seed: 11 })) {
      const told = read(p.question);
      assert.equal(told.answer, p.answer, p.question);
      assert.equal(told.needed.size, p.steps);
      assert.ok(told.facts.size >= p.steps && told.facts.size <= p.steps + 10);
      assert.ok(p.answer >= 2 && p.answer <= 999);
    }
  });

  test("steps and distractors are uniform", () => {
    const n = 5500;
    const counts = { steps: new Array(13).fill(0), more: new Array(11).fill(0) };
    for (const p of abacusProblems({ count: n, seed: 3 })) {
      counts.steps[p.steps]++;
      counts.more[p.question.split("holds").length - 1 - p.steps]++;
    }
    const even = new Array(11).fill(n / 11);
    assert.deepEqual(counts.steps.slice(0, 2), [0, 0]);
    assert.ok(chi(counts.steps.slice(2), even) < 29.6, `${counts.steps}`); // 10 degrees of freedom, one in a thousand
    assert.ok(chi(counts.more, even) < 29.6, `${counts.more}`);
  });

  test("each needed container is held by a later one, and all names and facts occur", () => {
    const rng = seeded(6);
    const names = new Set<number>();
    const kinds = new Map<string, number>();
    for (let i = 0; i < 2000; i++) {
      const { facts, needed } = abacusProblem(rng, { steps: 2 + (i % 11), distractors: i % 9 });
      for (const { container } of facts) names.add(container);
      for (const { parts, beads } of needed) {
        const kind = `${parts.length} containers, ${beads > 0 ? "beads" : "no beads"}`;
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }
      for (const [at, { container }] of needed.entries()) {
        const held = needed.slice(at + 1).some(({ parts }) => parts.some((part) => part.container === container));
        assert.equal(held, at < needed.length - 1);
      }
    }
    assert.equal(names.size, NAMES.length);
    assert.deepEqual([...kinds.keys()].toSorted(), [
      "0 containers, beads",
      "1 containers, beads",
      "2 containers, beads",
      "2 containers, no beads",
    ]);
    assert.ok(Math.min(...kinds.values()) > 1400, JSON.stringify([...kinds]));
  });

  test("a seed repeats, more problems extend fewer, another seed differs", () => {
    const ten = abacusProblems({ count: 10, seed: 1 });
    assert.deepEqual(abacusProblems({ count: 20, seed: 1 }).slice(0, 10), ten);
    assert.notDeepEqual(abacusProblems({ count: 10, seed: 2 }), ten);
  });

  test("no problem that is measured on is trained on, in whatever order it is told", () => {
    const plain = (question: string) => {
      const { facts, asked } = read(question);
      const told = [...facts].map(([name, parts]) => `${name}: ${parts.toSorted().join()}`);
      return `${told.toSorted().join("; ")}; ${asked}`;
    };
    // There are 1.7 million problems of this shape: by chance, some 25 of these would be on both sides.
    const measured = abacusProblems({ count: 2000, seed: 4, low: 2, high: 2, distractors: 0 });
    const known = new Set(measured.map(({ question }) => plain(question)));
    for (const example of examples(20_000, { steps: [2, 2], distractors: [0, 0], checks: [1] }))
      assert.ok(!known.has(plain(questionOf(example))), example.prompt);
  });

  test("impossible shapes are refused", () => {
    for (const shape of [
      { steps: 40, distractors: 3 },
      { steps: 8, distractors: 0, cap: 3 },
      { steps: 0, distractors: 0 },
      { steps: 2.5, distractors: 0 },
      { steps: 2, distractors: -1 },
    ] satisfies AbacusShape[])
      assert.throws(() => abacusProblem(seeded(0), shape), { code: "bad-argument" }, JSON.stringify(shape));
  });

  test("grading", () => {
    const graded = (text: string, finished = true) =>
      grade(
        { question: "", answer: 30, steps: 2 },
        extractAnswer(text, { thinking: { open: "<think>", close: "</think>" }, finished }),
      );
    const example = examples(50, { slip: 0, cut: 0 }).find(({ answer }) => answer !== 30)!;
    assert.equal(graded("can = 30\n wait\ncan = 31 not 30\n</think>\n\\boxed{30}"), "correct");
    assert.equal(graded(example.completion.replace("<|im_end|>", "")), "wrong");
    assert.equal(graded("can = 30\n wait", false), "abstain");
  });
});

describe("solutions", () => {
  test("without slips all is true, and orders are many", () => {
    for (const example of examples(600, { slip: 0, cut: 0 })) {
      const { passes } = follow(example);
      assert.ok(example.correct && example.said === example.answer && example.cutAt === null);
      assert.ok(passes.every(({ slips }) => slips === 0) && !example.completion.includes(" not "));
    }
    const problem = abacusProblem(seeded(3), { steps: 9, distractors: 4 });
    const texts = Array.from({ length: 60 }, (_, i) =>
      textOf(trace(seeded(i), problem, { slips: [0], checks: 0, settle: false, most: 1500 }).ids),
    );
    const count = (pattern: RegExp) => new Set(texts.map((text) => text.match(pattern)!.join())).size;
    assert.ok(count(/^A [a-z]+/gm) > 10, "orders of quotes");
    assert.ok(count(/^[a-z]+ =/gm) > 10, "orders of work");
    assert.ok(count(/^[a-z]+: .*/gm) > 50, "orders of terms");
  });

  test("slips come as often as asked for, a third of that in re-checks, or by a list", () => {
    const rates = (slip: number | number[]) => {
      const all = [0, 1, 2].map(() => ({ results: 0, slips: 0, right: 0 }));
      const drawn = examples(1500, { slip, cut: 0, checks: [0, 0, 1], steps: [4, 7] });
      for (const example of drawn)
        for (const [i, { results, slips, values }] of follow(example).passes.entries()) {
          all[i].results += results;
          all[i].slips += slips;
          all[i].right += Number(values.get(read(questionOf(example)).asked) === example.answer);
        }
      assert.equal(drawn.filter(({ correct }) => correct).length, all[2].right);
      return all.map(({ results, slips, right }) => ({ rate: slips / results, right: right / drawn.length }));
    };
    const near = (got: number, expected: number) => assert.ok(Math.abs(got - expected) < 0.15 * expected, `${got}`);
    const plain = rates(0.06);
    for (const [i, expected] of [0.06, 0.02, 0.02].entries()) near(plain[i].rate, expected);
    // A chain is right where nothing on the way slipped: re-checks repair most.
    assert.ok(plain[0].right < 0.65 && plain[1].right > 0.8, JSON.stringify(plain));
    const list = rates([0.04, 0.08, 0]);
    for (const [i, expected] of [0.04, 0.08].entries()) near(list[i].rate, expected);
    assert.deepEqual(list[2], { rate: 0, right: 1 });
  });

  test("a re-check begins where the thinking could end, as often as asked for", () => {
    const counts = [0, 0, 0, 0, 0];
    const drawn = examples(2000, { steps: [2, 6], cut: 0 });
    for (const { completion } of drawn) {
      counts[completion.split(" wait").length - 1]++;
      // Both stand after the newline of a pass's last line: the next token decides.
      assert.ok(!/(?<!\n) wait|(?<!\n)<\/think>| wait(?!\n)/.test(completion));
    }
    const expected = [0.25, 0.25, 0.2, 0.15, 0.15].map((weight) => weight * drawn.length);
    assert.ok(chi(counts, expected) < 18.5, `${counts}`); // 4 degrees of freedom
    for (const { completion } of examples(50, { checks: [0, 0, 0, 1], steps: [3, 3], cut: 0 }))
      assert.equal(completion.split(" wait\n").length, 4);
  });

  test("settled ones re-check until two passes agree, as far as they fit", () => {
    let [agreed, long, full] = [0, 0, 0];
    for (const example of examples(1500, { slip: 0.08, checks: [1, 3], settle: true, cut: 0, steps: [2, 9] })) {
      const { passes } = follow(example);
      const { asked } = read(questionOf(example));
      const results = passes.map(({ values }) => values.get(asked));
      const differs = results.map((result, i) => i > 0 && result !== results[i - 1]);
      // One pass alone, or one re-check at least; then as many as it takes.
      assert.ok(differs.slice(1, -1).every(Boolean), `${results}`);
      if (results.length > 2) long++;
      if (results.length > 1 && !differs.at(-1)) agreed++;
      if (differs.at(-1)) full++;
    }
    assert.ok(agreed > 900 && long > 200 && full < 30, `${agreed} agreed, ${long} long, ${full} without room`);
  });

  test("a cut stands anywhere, and the newest value of what is asked for is the answer", () => {
    let [older, guesses, wrong] = [0, 0, 0];
    for (let i = 0; i < 2000; i++) {
      const options = { checks: [0, 0, 1], slip: 0.3 };
      const whole = abacusExample(seeded(2, 1, i), { ...options, cut: 0 });
      const { said, cutAt, completion, answer, correct } = abacusExample(seeded(2, 1, i), { ...options, cut: 1 });
      const [, kept] = /^(.*)\n<\/think>\n\\boxed\{\d+\}<\|im_end\|>$/s.exec(completion)!;
      assert.ok(cutAt !== null && whole.completion.startsWith(kept) && correct === (said === answer));
      // Whole values only: what follows the kept part shows whether the last digit was.
      const { asked } = read(questionOf(whole));
      const values = [...whole.completion.matchAll(RegExp(`^${asked} = (\\d+)(?= not|\\n)`, "gm"))];
      const newest = values.findLast((match) => match.index + match[0].length <= kept.length);
      assert.equal(said, newest ? Number(newest[1]) : answer);
      if (!newest) guesses++;
      else if (newest !== values.at(-1)) older++;
      wrong += Number(!correct);
    }
    assert.ok(older > 300 && guesses > 300 && wrong > 300, `${older}, ${guesses}, ${wrong}`);
    const share = examples(3000, { steps: [2, 4] }).filter(({ cutAt }) => cutAt !== null).length / 3000;
    assert.ok(Math.abs(share - 0.1) < 0.02, `${share}`);
  });

  test("quotes alone", () => {
    for (const { completion, said, correct } of examples(200, { quotesOnly: true, cut: 1 })) {
      assert.match(completion, /^(?:A [a-z]+ holds [^.]+\.\n){2,12}$/);
      assert.ok(said === null && !correct);
    }
  });

  test("lengths: up to 1,536 tokens, and the prompts of long ones less than an eighth", () => {
    const lengths: { prompt: number; all: number }[] = [];
    for (let i = 0; i < 4000; i++) {
      const { ids } = abacusPiece(i, 12, { cut: 0 });
      lengths.push({ prompt: ids.indexOf(TOKENS.think) + 2, all: ids.length });
    }
    const all = lengths.map((length) => length.all).toSorted((a, b) => a - b);
    assert.ok(all[3999] <= ABACUS_CONTEXT && all[3999] > 1400, `${all[3999]}`);
    assert.ok(all[400] > 140 && all[2000] > 390 && all[3600] > 900, `${all[400]}, ${all[2000]}, ${all[3600]}`);
    assert.ok(Math.max(...lengths.map((length) => length.all - length.prompt)) <= ABACUS_TOKENS);
    const shares = lengths.filter((length) => length.all >= 1000).map((length) => length.prompt / length.all);
    assert.ok(shares.length > 200);
    assert.ok(shares.reduce((a, b) => a + b, 0) / shares.length < 0.1);
    assert.ok(shares.filter((share) => share < 1 / 8).length > 0.93 * shares.length);
    // The longest that can be asked for; a re-check that does not fit is left out.
    for (let i = 0; i < 100; i++) {
      const { ids } = abacusPiece(i, 1, { steps: [20, 20], distractors: [22, 22], checks: [0, 0, 0, 0, 1], cut: 1 });
      assert.ok(ids.length <= ABACUS_CONTEXT);
    }
  });

  test("options that are none are refused", () => {
    for (const options of [
      { steps: [3, 2] },
      { steps: [2, 21] },
      { steps: [0, 2] },
      { distractors: [0.5, 2] },
      { distractors: [0, 31] },
      { slip: -0.1 },
      { slip: [] },
      { slip: [0.1, Number.NaN] },
      { cut: 1.5 },
      { checks: [] },
      { checks: [0, 0] },
      { checks: [1, -1] },
    ] satisfies AbacusOptions[])
      assert.throws(() => abacusExample(seeded(1), options), { code: "bad-argument" }, JSON.stringify(options));
  });
});

describe("pieces", () => {
  test("are a function of seed and index", () => {
    const text = (index: number, seed: number) => textOf(abacusPiece(index, seed).ids);
    assert.equal(text(900, 5), text(900, 5));
    assert.equal(new Set([...Array(300).keys()].flatMap((i) => [text(i, 5), text(i, 6)])).size, 600);
  });

  test("learn what the model is to say: no prompt, and of a cut solution what follows the cut", () => {
    for (let i = 0; i < 400; i++) {
      const whole = abacusPiece(i, 1, { cut: 0 });
      const text = (piece: { ids: Int32Array; learn: Uint8Array }, learned: number) =>
        textOf(piece.ids.filter((_, at) => piece.learn[at] === learned));
      assert.match(text(whole, 0), /^<\|im_start\|>user\n[^\n]*<\|im_end\|>\n<\|im_start\|>assistant\n<think>\n$/);
      assert.match(text(whole, 1), /^A [^<]*<\/think>\n\\boxed\{\d+\}<\|im_end\|>$/);
      const cut = abacusPiece(i, 1, { cut: 1 });
      assert.match(text(cut, 1), /^\n\\boxed\{\d+\}<\|im_end\|>$/);
      assert.match(text(cut, 0), /\n<\/think>$/);
      assert.equal(text(abacusPiece(i, 1, { quotesOnly: true }), 0), text(whole, 0));
    }
  });

  test("slips that are not learned are the digits of wrong numbers where they are computed, and nothing else", () => {
    let slips = 0;
    for (let i = 0; i < 400; i++) {
      const options = { slip: 0.2, steps: [3, 6], cut: 0 } as const;
      const [all, some] = [abacusPiece(i, 1, options), abacusPiece(i, 1, { ...options, unlearned: true })];
      assert.deepEqual(some.ids, all.ids);
      const without = [...all.learn.keys()].filter((at) => all.learn[at] !== some.learn[at]);
      assert.ok(without.every((at) => some.learn[at] === 0));
      const numbers: string[] = []; // runs of tokens
      for (const [j, at] of without.entries()) {
        const text = textOf([some.ids[at]]);
        if (without[j - 1] === at - 1 && /^\d$/.test(text)) numbers[numbers.length - 1] += text;
        else numbers.push(text);
      }
      for (const number of numbers) assert.match(number, /^ [1-9]\d{0,3}$/);
      const { passes } = follow(abacusExample(seeded(1, 0x0abac001, i), options));
      assert.equal(
        numbers.length,
        passes.reduce((sum, pass) => sum + pass.slips, 0),
      );
      slips += numbers.length;
    }
    assert.ok(slips > 600, `${slips}`);
    const cut = abacusPiece(4, 1, { slip: 1, cut: 1, unlearned: true });
    assert.deepEqual(cut.learn, abacusPiece(4, 1, { slip: 1, cut: 1 }).learn);
  });

  test("cuts are uniform over the tokens of the thinking", () => {
    const tenths = new Array(10).fill(0);
    for (let i = 0; i < 3000; i++) {
      const thinking = ({ ids }: { ids: Int32Array }) =>
        ids.indexOf(TOKENS.endOfThinking) - ids.indexOf(TOKENS.think) - 2;
      const options = { steps: [2, 5] } as const;
      const [whole, cut] = [0, 1].map((share) => thinking(abacusPiece(i, 3, { ...options, cut: share })));
      tenths[Math.floor((10 * (cut - 1)) / whole)]++;
    }
    assert.ok(chi(tenths, new Array(10).fill(300)) < 27.9, `${tenths}`); // 9 degrees of freedom
  });

  test("are made faster than any trainer takes them", () => {
    const start = performance.now();
    let tokens = 0;
    for (let i = 0; i < 2000; i++) tokens += abacusPiece(i, 1).ids.length;
    const rate = tokens / ((performance.now() - start) / 1000); // 9 million a second on a core of 2026
    assert.ok(rate > 300_000, `${rate} tokens/s`);
  });
});

describe("tokenizer", () => {
  let tokenizer: Tokenizer;
  before(async () => {
    tokenizer = await loadTokenizer(await openSource(folder));
  });
  after(() => tokenizer.close());
  const encode = (text: string) => tokenizer.encode(text, { special: false });

  test("the files are what bench/abacus-tokenizer.ts writes", () => {
    for (const [name, content] of Object.entries(tokenizerFiles()))
      assert.deepEqual(JSON.parse(readFileSync(`${folder}/${name}`, "utf8")), content, name);
  });

  test("512 tokens: bytes, words, and the special ones", async () => {
    assert.equal(VOCABULARY_SIZE, 512);
    assert.equal(tokenizer.size, VOCABULARY_SIZE);
    assert.equal(new Set(WORDS).size, 256);
    assert.ok(NAMES.length >= 30 && new Set(NAMES).size === NAMES.length);
    for (const [i, word] of WORDS.entries()) assert.deepEqual(await encode(word), [256 + i], word);
    assert.deepEqual(
      [...tokenizer.special].map((id) => WORDS[id - 256]),
      SPECIAL,
    );
    assert.deepEqual(await encode(" wait"), [TOKENS.wait]);
    assert.ok(!tokenizer.special.has(TOKENS.wait));
    assert.deepEqual(
      [TOKENS.endOfText, TOKENS.turn, TOKENS.endOfTurn, TOKENS.think, TOKENS.endOfThinking],
      [507, 508, 509, 510, 511],
    );
  });

  test("a fact costs 3, 6, 7 or 9 tokens", async () => {
    for (const [fact, tokens] of [
      ["A jug holds 12 beads. ", 3],
      ["A can holds 4 jugs and 2 beads. ", 6],
      ["A can holds 1 jug and 3 tins.\n", 7],
      ["A can holds 1 jug, 3 tins and 19 beads.\n", 9],
    ] as const)
      assert.equal((await encode(fact)).length, tokens, fact);
  });

  test("pieces have its ids, whether prompt and completion are encoded as one or apart", async () => {
    for (const [seed, options] of [
      {},
      { cut: 1 },
      { slip: 0.3 },
      { quotesOnly: true },
      { steps: [1, 3], slip: 1 },
    ].entries() as Iterable<[number, AbacusOptions]>)
      for (let i = 0; i < 700; i++) {
        const ids = [...abacusPiece(i, seed, options).ids];
        const text = textOf(ids);
        const at = text.indexOf("<think>\n") + "<think>\n".length;
        assert.deepEqual(await encode(text), ids, text);
        assert.deepEqual([...(await encode(text.slice(0, at))), ...(await encode(text.slice(at)))], ids, text);
        assert.equal(tokenizer.decode(ids, { special: true }), text);
      }
  });

  test("a solution broken off after any token goes on with the ids of its own", async () => {
    const ids = [...abacusPiece(3, 1, { steps: [3, 3], checks: [0, 1], slip: 1, cut: 0 }).ids];
    const from = ids.indexOf(TOKENS.think) + 2;
    const tail = textOf([TOKENS.newline, TOKENS.endOfThinking, TOKENS.newline, TOKENS.box]);
    for (let at = from; at <= ids.indexOf(TOKENS.endOfThinking); at++) {
      const kept = ids.slice(0, at);
      assert.deepEqual(await encode(textOf(kept) + tail), [...kept, ...(await encode(tail))]);
    }
    // The end of thinking replaced by the nudge, and what the model then says.
    const ended = ids.slice(0, ids.indexOf(TOKENS.endOfThinking));
    assert.deepEqual(await encode(`${textOf(ended)} wait\n`), [...ended, TOKENS.wait, TOKENS.newline]);
    assert.ok(textOf(ids).includes("\n wait\n"));
  });

  test("any text is its bytes", async () => {
    for (const text of [
      "Ünïcode 日本 🙂\r\n\t x = 3.14 user: 100 beads, 1 beads\n\n jugs= A jug holds7. wait waiting",
      "\u0000\u00ad\u007f",
      " ".repeat(20),
      "",
    ]) {
      const ids = await encode(text);
      assert.equal(tokenizer.decode(ids), text);
      assert.ok(ids.every((id) => id < VOCABULARY_SIZE));
    }
  });

  test("the chat template writes the prompts", async () => {
    const chat = await loadChat(await openSource(folder));
    assert.deepEqual(chat.notes, []);
    const problem = abacusProblem(seeded(1), { steps: 4, distractors: 2 });
    const content = textOf(questionTokens(problem));
    const prompt = chat.render([{ role: "user", content }], { addGenerationPrompt: true });
    assert.equal(prompt, textOf(promptTokens(problem)));
  });
});
