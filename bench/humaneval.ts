// HumanEval in the sandbox: its own solutions, what a program costs beside its own time, and whether the check that
// runs in another process than the program judges as the published one: on changed solutions, each also run as prompt +
// completion + test + check(entry_point) in one process.
// node bench/humaneval.ts ../shared/data/bench/HumanEval.jsonl.gz [changes of each solution, default 5]
import { readFileSync } from "node:fs";
import { checkHumanEval, HUMANEVAL_SECONDS, parseHumanEval } from "../src/eval/code/humaneval.ts";
import { openSandbox } from "../src/eval/sandbox/sandbox.ts";
import { median } from "./median.ts";

const [file, changes = "5"] = process.argv.slice(2);
const problems = parseHumanEval(file, readFileSync(file));
const sandbox = await openSandbox();
console.log(
  `${sandbox.isolation}, Python ${sandbox.python}, ${sandbox.ownUid ? "this user's own uid" : "a uid of its own"}`,
);

const timed = async <T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> => {
  const begun = performance.now();
  const result = await work();
  return { result, ms: performance.now() - begun };
};

const empty: { all: number; program: number }[] = [];
for (let i = 0; i < 30; i++) {
  const { result, ms } = await timed(() => sandbox.run({ source: "" }));
  empty.push({ all: ms, program: result.wallSeconds * 1000 });
}
const of = (name: "all" | "program") => empty.map((times) => times[name]);
console.log(
  `an empty program: ${median(of("all")).toFixed(0)} ms (least ${Math.min(...of("all")).toFixed(0)}), of which Python itself ${median(of("program")).toFixed(0)}`,
);

const times: number[] = [];
let passed = 0;
for (const problem of problems) {
  const { result, ms } = await timed(() => checkHumanEval(sandbox, problem, problem.prompt + problem.solution));
  times.push(ms);
  if (result.verdict === "passed") passed++;
  else console.log(problem.id, result.verdict, result.detail);
}
console.log(`${passed} of ${problems.length} own solutions pass, ${median(times).toFixed(0)} ms each`);

const CHANGES: [RegExp, string][] = [
  [/ \+ /, " - "],
  [/ - /, " + "],
  [/ < /, " <= "],
  [/ > /, " >= "],
  [/ == /, " != "],
  [/\b0\b/, "1"],
  [/\b1\b/, "2"],
  [/\b2\b/, "3"],
  [/True/, "False"],
  [/ and /, " or "],
  [/\[::-1\]/, ""],
  [/sorted\(/, "list("],
  [/return (?!\[)/, "return str("],
];
let [count, right, differ] = [0, 0, 0];
for (const problem of problems) {
  const bodies = CHANGES.map(([from, to]) => problem.solution.replace(from, to));
  for (const body of bodies.filter((changed) => changed !== problem.solution).slice(0, Number(changes))) {
    const whole = `${problem.prompt}${body}\n${problem.check}\ncheck(${problem.entry})`;
    const limits = { cpuSeconds: HUMANEVAL_SECONDS };
    const published = (await sandbox.run({ source: whole, limits })).status === "ok";
    const { verdict, detail } = await checkHumanEval(sandbox, problem, problem.prompt + body);
    count++;
    if (published) right++;
    if (published === (verdict === "passed")) continue;
    differ++;
    console.log(problem.id, published ? "passes as published" : "fails as published", verdict, detail);
  }
}
console.log(`${count} changed solutions: ${right} pass as published, ${differ} are judged otherwise here`);
