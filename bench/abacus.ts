// Accuracy against KV reads on abacus problems: greedy, avg@1 and majority votes, for the full cache and for retrofits.
//   node bench/abacus.ts [--forms full] [--problems 400] [--width 16] [--seed 2026] [--temperatures 1] [--steps 2-12]
// A form is "full" (models/abacus), FORM (a folder models/abacus-FORM), or NAME=MODEL[+ADAPTER]. W chains per problem
// run once and are scored at every width by subsets. An interrupted run goes on where it stopped, as long as the form's
// files stay as they are.
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { mean } from "../src/base/mean.ts";
import { ABACUS_TOKENS, abacusProblems } from "../src/eval/abacus/problems.ts";
import { pairedDifference } from "../src/eval/interval.ts";
import { accuracy, meanReads, type ProblemRun, percent, runProblems } from "../src/eval/race.ts";
import { load } from "../src/request/session.ts";
import { fingerprintOf, fingerprintOfWeights } from "../src/train/fingerprint.ts";

const { values: args } = parseArgs({
  options: {
    forms: { type: "string", default: "full" },
    problems: { type: "string", default: "400" },
    width: { type: "string", default: "16" },
    seed: { type: "string", default: "2026" },
    temperatures: { type: "string", default: "1" },
    steps: { type: "string", default: "2-12" },
    out: { type: "string", default: fileURLToPath(new URL("out/", import.meta.url)) },
  },
});
const width = Number(args.width);
const widths = [1, 2, 4, 8, 16].filter((w) => w <= width);
const [low, high] = args.steps.split("-").map(Number);
const problems = abacusProblems({ count: Number(args.problems), seed: Number(args.seed), low, high });
const models = fileURLToPath(new URL("../models/", import.meta.url));
const SEED = 1000; // of chains: problem i draws with SEED + i

/** Where a form lies. */
function formOf(text: string): { name: string; model: string; adapter?: string } {
  const [name, folders] = text.split("=");
  if (folders === undefined) return { name, model: join(models, name === "full" ? "abacus" : `abacus-${name}`) };
  const [model, adapter] = folders.split("+");
  return { name, model, adapter };
}

async function run(form: ReturnType<typeof formOf>, chains: number, temperature: number): Promise<ProblemRun[]> {
  mkdirSync(args.out, { recursive: true });
  const folders = [form.model, ...(form.adapter === undefined ? [] : [form.adapter])];
  const weights = fingerprintOf(await Promise.all(folders.map(fingerprintOfWeights))).slice(0, 12);
  const shape = `${args.seed}-${args.steps}-w${chains}-t${temperature}-${weights}`;
  const file = join(args.out, `abacus-${form.name}-${shape}.jsonl`);
  const done: ProblemRun[] = existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line))
    : [];
  await using session = await load({ ...form, chains: 64 });
  const started = performance.now();
  let tokens = 0;
  const runs = await runProblems(session, problems, chains, {
    ...{ seed: SEED, done, maxTokens: ABACUS_TOKENS, temperature },
    onRun(row) {
      appendFileSync(file, `${JSON.stringify(row)}\n`);
      tokens += row.tokens.reduce((a, b) => a + b, 0);
    },
  });
  const seconds = (performance.now() - started) / 1000;
  const rate = `${seconds.toFixed(0)} s, ${Math.round(tokens / seconds)} tokens/s`;
  if (tokens) console.error(`${form.name}, ${chains} chains at temperature ${temperature}: ${rate}`);
  return runs;
}

const ratioOf = (runs: ProblemRun[]): number =>
  mean(runs.map((row) => row.fullReads)) / mean(runs.map((row) => row.reads.reduce((a, b) => a + b, 0)));

const table = [];
const fulls = new Map<string, ProblemRun[]>(); // the first form's, by temperature
for (const text of args.forms.split(",")) {
  const form = formOf(text);
  const greedy = await run(form, 1, 0);
  for (const temperature of args.temperatures.split(",")) {
    const runs = await run(form, width, Number(temperature));
    const full = fulls.get(temperature) ?? runs;
    fulls.set(temperature, full);
    const votes = widths.map((w) => accuracy(runs, w));
    const k = Math.min(width, Math.floor(meanReads(full) / meanReads(runs)));
    table.push({
      form: form.name,
      temperature,
      cr: ratioOf(runs),
      greedy: accuracy(greedy, 1).interval,
      votes: votes.map(({ interval }) => interval),
      againstFull: pairedDifference(accuracy(full, 1).perProblem, votes[0].perProblem),
      eight: widths.includes(8)
        ? pairedDifference(accuracy(full, 1).perProblem, votes[widths.indexOf(8)].perProblem)
        : null,
      eightReads: (8 * meanReads(runs)) / meanReads(full), // of eight chains, over one chain of the full cache
      atEqualReads: pairedDifference(accuracy(full, 1).perProblem, accuracy(runs, Math.max(1, k)).perProblem),
      chainsForOne: k,
      readsPerChain: meanReads(runs),
      tokensPerChain: mean(runs.flatMap((row) => row.tokens)),
      peakKeys: mean(runs.flatMap((row) => row.peakKeys)),
      abstained: mean(runs.flatMap((row) => row.answers.keys.map((key) => Number(key === null)))),
    });
  }
}
console.log(
  `${problems.length} problems of ${args.steps} containers (seed ${args.seed}), ${width} chains each, at most ` +
    `${ABACUS_TOKENS} new tokens; percent with 95% intervals\n`,
);
const names = widths.map((w) => (w === 1 ? "avg@1" : `maj@${w}`));
console.log(
  `| form | T | achieved CR | greedy | ${names.join(" | ")} | avg@1 - full's, paired | reads a chain | tokens | peak keys | abstained |`,
);
console.log(`|---|---|---|---|${widths.map(() => "---|").join("")}---|---|---|---|---|`);
for (const row of table)
  console.log(
    `| ${row.form} | ${row.temperature} | ${row.cr.toFixed(2)} | ${percent(row.greedy)} | ${row.votes.map(percent).join(" | ")} | ${percent(row.againstFull)} | ${Math.round(row.readsPerChain)} | ${Math.round(row.tokensPerChain)} | ${Math.round(row.peakKeys)} | ${(100 * row.abstained).toFixed(1)} |`,
  );
console.log("\nAgainst one chain of the first form at that temperature, points (paired, 95%):\n");
for (const row of table) {
  if (row.eight)
    console.log(
      `- ${row.form} at T ${row.temperature}, eight chains (${row.eightReads.toFixed(2)} of its reads): ${percent(row.eight)}`,
    );
  console.log(
    `- ${row.form} at T ${row.temperature}, ${row.chainsForOne} chains at no more reads: ${percent(row.atEqualReads)}`,
  );
}
console.log(JSON.stringify(table));
