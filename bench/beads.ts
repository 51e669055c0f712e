// Accuracy against KV reads on bead problems: avg@1 and majority votes for the full cache and for every shipped CR.
//   node bench/beads.ts [--problems 200] [--width 16] [--seed 2026] [--device cpu] [--weights bf16] [--kv bf16]
// Runs W chains a problem once and scores every width by subsets of them. An interrupted run goes on where it stopped.
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Dtype } from "../src/device/device.ts";
import { load, type Session } from "../src/engine/session.ts";
import { beadsProblems } from "../src/eval/beads.ts";
import { type Answers, avgAt1, type Interval, majAtK, pairedDifference, wilson } from "../src/eval/interval.ts";
import { scale } from "../src/scale/scale.ts";

const { values: args } = parseArgs({
  options: {
    problems: { type: "string", default: "200" },
    width: { type: "string", default: "16" },
    seed: { type: "string", default: "2026" },
    device: { type: "string" },
    weights: { type: "string", default: "bf16" },
    kv: { type: "string", default: "bf16" },
    caches: { type: "string", default: "full,gates-2x,full-2x,gates-3x,gates-4x,full-4x" },
    solo: { type: "string", default: "12" }, // problems run alone, for peak pages
  },
});
const width = Number(args.width);
const problems = beadsProblems({ count: Number(args.problems), seed: Number(args.seed) });
const widths = [1, 2, 4, 8, 16].filter((w) => w <= width);
const models = new URL("../models/", import.meta.url).pathname;

/** How each row of the table is loaded: the untouched model, gates laid over it, or a checkpoint with all weights trained. */
const options = (cache: string) => {
  const shared = { device: args.device as "cpu" | undefined, weights: args.weights as Dtype, kv: args.kv as Dtype };
  if (cache === "full") return { model: `${models}beads`, ...shared };
  if (cache.startsWith("gates")) return { model: `${models}beads`, adapter: `${models}beads-dms-${cache}`, ...shared };
  return { model: `${models}beads-dms-${cache}`, ...shared };
};

interface Row {
  problem: number;
  keys: (string | null)[];
  reads: number[]; // a chain
  tokens: number[];
  peakKeys: number[];
  fullReads: number; // of all chains: what the full cache would have read in the same steps
}

async function run(cache: string): Promise<Row[]> {
  const folder = new URL("out/", import.meta.url).pathname;
  mkdirSync(folder, { recursive: true });
  const file = `${folder}beads-${cache}-${args.seed}-w${width}-${args.weights}-${args.kv}.jsonl`;
  const rows: Row[] = existsSync(file)
    ? readFileSync(file, "utf8")
        .trim()
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line))
    : [];
  const todo = problems
    .keys()
    .filter((i) => !rows.some((row) => row.problem === i))
    .toArray();
  if (todo.length === 0) return rows.filter((row) => row.problem < problems.length);
  await using session = await load({ ...options(cache), chains: 64 });
  const started = performance.now();
  let done = 0;
  // A few problems more than the 64 running chains need, so that the batch stays full while prompts are read.
  await Promise.all(
    Array.from({ length: Math.ceil(64 / width) + 2 }, async () => {
      for (let i = todo.shift(); i !== undefined; i = todo.shift()) {
        const result = await scale(session, problems[i].question, {
          width,
          temperature: 1,
          maxTokens: 440,
          seed: 1000 + i,
          earlyStop: false,
        }).result;
        const row: Row = {
          problem: i,
          keys: result.chains.map(({ answer }) => (answer.kind === "answer" ? answer.key : null)),
          reads: result.chains.map((chain) => chain.kvReads),
          tokens: result.chains.map((chain) => chain.tokens),
          peakKeys: result.chains.map((chain) => chain.peakKeys),
          fullReads: result.bill.fullReads,
        };
        rows.push(row);
        appendFileSync(file, `${JSON.stringify(row)}\n`);
        done++;
        if (process.stderr.isTTY) process.stderr.write(`\r${cache}: ${done} problems, ${todo.length} left `);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const tokens = rows
    .slice(-done)
    .flatMap((row) => row.tokens)
    .reduce((a, b) => a + b, 0);
  console.error(
    `${cache}: ${done} problems in ${seconds.toFixed(0)} s, ${Math.round(tokens / seconds)} tokens/s (${session.device.description})`,
  );
  return rows.filter((row) => row.problem < problems.length);
}

/** Mean peak of the pool's pages when W chains of one problem run alone. */
async function peakPages(cache: string): Promise<Record<number, number>> {
  await using session: Session = await load({ ...options(cache), chains: width });
  const peaks: Record<number, number> = {};
  for (const w of widths) {
    let pages = 0;
    const solo = problems.slice(0, Number(args.solo));
    for (const [i, { question }] of solo.entries())
      pages += (
        await scale(session, question, { width: w, temperature: 1, maxTokens: 440, seed: 1000 + i, earlyStop: false })
          .result
      ).bill.peakPages;
    peaks[w] = Math.round(pages / solo.length);
  }
  return peaks;
}

const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
const mean = (numbers: number[]) => sum(numbers) / numbers.length;
const percent = ({ mean: m, low, high }: Interval) =>
  `${(100 * m).toFixed(1)} [${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;
/** 95% interval of a mean of shares over problems, by the spread between problems. */
const interval = (shares: number[]): Interval =>
  pairedDifference(
    shares.map(() => 0),
    shares,
  );

const table = [];
for (const cache of args.caches.split(",")) {
  const rows = (await run(cache)).sort((a, b) => a.problem - b.problem);
  const answers: Answers[] = rows.map((row) => ({ keys: row.keys, correct: String(problems[row.problem].answer) }));
  const one = avgAt1(answers);
  const votes = Object.fromEntries(widths.map((w) => [w, majAtK(answers, w)]));
  const most = votes[widths.at(-1)!];
  table.push({
    cache,
    cr: sum(rows.map((row) => row.fullReads)) / sum(rows.flatMap((row) => row.reads)),
    avg1: interval(one.perProblem),
    maj: Object.fromEntries(
      widths.map((w) => [
        w,
        w === width ? wilson(Math.round(most.mean * rows.length), rows.length) : interval(votes[w].perProblem),
      ]),
    ),
    gain: pairedDifference(one.perProblem, most.perProblem),
    readsPerChain: mean(rows.flatMap((row) => row.reads)),
    tokensPerChain: mean(rows.flatMap((row) => row.tokens)),
    peakKeys: mean(rows.flatMap((row) => row.peakKeys)),
    peakPages: await peakPages(cache),
    abstained: mean(rows.flatMap((row) => row.keys.map((key) => Number(key === null)))),
  });
}
console.log(
  `${problems.length} problems of 2 to 8 containers (seed ${args.seed}), ${width} chains each, temperature 1, at most 440 new tokens; percent with 95% intervals\n`,
);
console.log(
  `| cache | achieved CR | avg@1 | ${widths.map((w) => `maj@${w}`).join(" | ")} | maj@${width} - avg@1, paired | KV reads a chain | peak live keys | peak pages at W = ${widths.join(", ")} |`,
);
console.log(`|---|---|---|${widths.map(() => "---|").join("")}---|---|---|---|`);
for (const row of table)
  console.log(
    `| ${row.cache} | ${row.cr.toFixed(2)} | ${percent(row.avg1)} | ${widths.map((w) => (100 * row.maj[w].mean).toFixed(1)).join(" | ")} | ${percent(row.gain)} | ${Math.round(row.readsPerChain)} | ${Math.round(row.peakKeys)} | ${widths.map((w) => row.peakPages[w]).join(", ")} |`,
  );
console.log(JSON.stringify(table));
