// Answer equality against Python's math-verify: worked solutions of MATH-500, each graded against its own gold answer
// and against another's. Prints how many verdicts agree, and every one that does not.
//   node bench/equality.ts [--data ../shared/data/bench/math500.jsonl] [--pairs FILE] [--python python3] [--seed 7]
// PYTHON (or --python): an interpreter with math-verify 0.9 (see bench/oracle/equality.py).
// --pairs: JSON lines of {gold, answer} instead, and what `equal` says of each where it is there.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { Equality } from "../src/scale/equality/equality.ts";
import { type Grade, grade } from "../src/scale/equality/grade.ts";
import { here } from "./before.ts";

const { values: args } = parseArgs({
  options: {
    data: { type: "string", default: resolve(here, "../shared/data/bench/math500.jsonl") },
    pairs: { type: "string" },
    python: { type: "string", default: process.env.PYTHON ?? "python3" },
    seed: { type: "string", default: "7" },
    show: { type: "string", default: "60" }, // characters of an answer in the list of differences
  },
});

interface Pair {
  kind: string;
  gold: string;
  answer: string;
  equal?: number;
}

const lines = (file: string) =>
  readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

/** Each solution with its own gold, then with the one of the next in a shuffled circle. */
function fromSolutions(rows: { answer: string; solution: string }[]): Pair[] {
  let state = Number(args.seed);
  const draw = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const order = rows.map((_, i) => ({ i, at: draw() })).sort((a, b) => a.at - b.at);
  const pair = (kind: string, gold: number, answer: number): Pair => ({
    kind,
    gold: rows[gold].answer,
    answer: rows[answer].solution,
  });
  return [
    ...rows.map((_, i) => pair("own", i, i)),
    ...order.map(({ i }, place) => pair("other", order[(place + 1) % order.length].i, i)),
  ];
}

const pairs: Pair[] = args.pairs
  ? lines(args.pairs).map((row) => ({ ...row, kind: "pairs" }))
  : fromSolutions(lines(args.data));
const python = spawnSync(args.python, [resolve(here, "bench/oracle/equality.py")], {
  input: pairs.map(({ gold, answer }) => `${JSON.stringify({ gold, answer })}\n`).join(""),
  encoding: "utf8",
  maxBuffer: 1 << 26,
});
if (python.status !== 0) throw new Error(`${args.python} with math-verify: ${python.stderr || python.error}`);
const theirs: (boolean | null)[] = python.stdout
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));

await using equality = new Equality();
const started = performance.now();
const ours: Grade[] = [];
for (const { gold, answer } of pairs) ours.push(await grade(equality, gold, answer, { decimals: 6 }));
const took = performance.now() - started;
const shown = (text: string) => JSON.stringify(text.slice(0, Number(args.show)));
for (const kind of new Set(pairs.map((pair) => pair.kind))) {
  const of = pairs.flatMap((pair, i) => (pair.kind === kind ? [i] : []));
  const agree = of.filter((i) => ours[i].equal === (theirs[i] ?? false));
  const equal = of.filter((i) => ours[i].equal).length;
  console.log(
    `${kind}: ${agree.length} of ${of.length} agree (${((100 * agree.length) / of.length).toFixed(1)}%); ${equal} equal here`,
  );
}
const agree = ours.filter(({ equal }, i) => equal === (theirs[i] ?? false)).length;
console.log(
  `all: ${agree} of ${pairs.length} agree (${((100 * agree) / pairs.length).toFixed(1)}%); ${(took / pairs.length).toFixed(1)} ms a pair here`,
);
for (const [i, { equal, by, why, gold, answer }] of ours.entries())
  if (equal !== (theirs[i] ?? false))
    console.log(
      `${pairs[i].kind} ${i}: gold ${shown(gold)}, answer ${shown(answer)}: ${equal ? "equal" : "not equal"} here (${by}, ${why}), ${theirs[i]} there`,
    );
for (const [i, { equal }] of pairs.entries())
  if (equal !== undefined && ours[i].equal !== (equal === 1))
    console.log(`pair ${i}: expected ${equal}, ${shown(ours[i].gold)} and ${shown(ours[i].answer)}: ${ours[i].why}`);
