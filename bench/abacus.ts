// Accuracy against KV reads on abacus problems: greedy, avg@1 and majority votes, for the full cache and for retrofits.
//   node bench/abacus.ts [--forms full] [--problems 400] [--width 16] [--seed 2026] [--temperatures 1] [--steps 2-12]
// A form is "full" (models/abacus), FORM (a folder models/abacus-FORM), or NAME=MODEL[+ADAPTER][|MODEL[+ADAPTER]..],
// the same retrofit from several seeds: its accuracy on a problem is their mean. W chains per problem run once and are
// scored at every width by subsets. An interrupted run goes on where it stopped, as long as the files stay as they are.
import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { mean } from "../src/base/mean.ts";
import { ABACUS_TOKENS, abacusProblems } from "../src/eval/abacus/problems.ts";
import { type Interval, pairedDifference } from "../src/eval/metrics/interval.ts";
import { accuracy, meanReads, type ProblemRun, percent, runProblems } from "../src/eval/race.ts";
import { load } from "../src/request/session.ts";
import { fingerprintOf, fingerprintOfWeights } from "../src/train/disk/fingerprint.ts";
import { rowsOf } from "./rows.ts";

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

interface Place {
  model: string;
  adapter?: string;
}

function formOf(text: string): { name: string; places: Place[] } {
  const [name, folders] = text.split("=");
  if (folders === undefined)
    return { name, places: [{ model: join(models, name === "full" ? "abacus" : `abacus-${name}`) }] };
  const places = folders.split("|").map((place) => {
    const [model, adapter] = place.split("+");
    return { model, adapter };
  });
  return { name, places };
}

async function run(name: string, place: Place, chains: number, temperature: number): Promise<ProblemRun[]> {
  mkdirSync(args.out, { recursive: true });
  const folders = [place.model, ...(place.adapter === undefined ? [] : [place.adapter])];
  const weights = fingerprintOf(await Promise.all(folders.map(fingerprintOfWeights))).slice(0, 12);
  const shape = `${args.seed}-${args.steps}-w${chains}-t${temperature}-${weights}`;
  const file = join(args.out, `abacus-${name}-${shape}.jsonl`);
  const done = await rowsOf<ProblemRun>(file);
  await using session = await load({ ...place, chains: 64 });
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
  if (tokens) console.error(`${name}, ${chains} chains at temperature ${temperature}: ${rate}`);
  return runs;
}

const ratioOf = (runs: ProblemRun[]): number =>
  mean(runs.map((row) => row.fullReads)) / mean(runs.map((row) => row.reads.reduce((a, b) => a + b, 0)));

/** Of one seed as it is; of several the mean for each problem, whose spread gives the interval. */
function pooled(seeds: readonly ProblemRun[][], w: number): { perProblem: number[]; interval: Interval } {
  const each = seeds.map((runs) => accuracy(runs, w));
  if (each.length === 1) return each[0];
  const perProblem = problems.map((_, i) => mean(each.map((score) => score.perProblem[i])));
  return { perProblem, interval: pairedDifference(new Array(problems.length).fill(0), perProblem) };
}

const table = [];
const fulls = new Map<string, ProblemRun[][]>(); // the first form's seeds, by temperature
for (const text of args.forms.split(",")) {
  const { name, places } = formOf(text);
  const runAll = async (chains: number, temperature: number) => {
    const all: ProblemRun[][] = [];
    for (const place of places) all.push(await run(name, place, chains, temperature));
    return all;
  };
  const greedy = await runAll(1, 0);
  for (const temperature of args.temperatures.split(",")) {
    const seeds = await runAll(width, Number(temperature));
    const runs = seeds.flat();
    const first = fulls.get(temperature) ?? seeds;
    fulls.set(temperature, first);
    const full = first.flat();
    const one = pooled(first, 1).perProblem;
    const votes = widths.map((w) => pooled(seeds, w));
    const k = Math.min(width, Math.floor(meanReads(full) / meanReads(runs)));
    table.push({
      form: name,
      temperature,
      cr: ratioOf(runs),
      greedy: pooled(greedy, 1).interval,
      votes: votes.map(({ interval }) => interval),
      seeds: seeds.length === 1 ? null : widths.map((w) => seeds.map((own) => mean(accuracy(own, w).perProblem))),
      againstFull: pairedDifference(one, votes[0].perProblem),
      eight: widths.includes(8) ? pairedDifference(one, votes[widths.indexOf(8)].perProblem) : null,
      eightReads: (8 * meanReads(runs)) / meanReads(full), // of eight chains, over one chain of the full cache
      atEqualReads: k > 0 ? pairedDifference(one, pooled(seeds, k).perProblem) : null,
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
  if (row.atEqualReads)
    console.log(
      `- ${row.form} at T ${row.temperature}, ${row.chainsForOne} chains at no more reads: ${percent(row.atEqualReads)}`,
    );
}
for (const row of table)
  if (row.seeds) {
    const each = row.seeds.map((values, i) => `${names[i]} ${values.map((x) => (100 * x).toFixed(1)).join(", ")}`);
    console.log(`- ${row.form} at T ${row.temperature}, seed by seed: ${each.join("; ")}`);
  }
console.log(JSON.stringify(table));
