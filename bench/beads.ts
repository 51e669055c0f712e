// Accuracy against KV reads on bead problems: avg@1 and majority votes for the full cache and for every shipped CR.
//   node bench/beads.ts [--problems 400 | --file bench/beads-80.jsonl] [--width 16] [--seed 2026] [--weights bf16]
//     [--kv bf16]
// Runs W chains per problem once and scores every width by subsets of them. An
// interrupted run goes on where it stopped.
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { mean } from "../src/base/mean.ts";
import type { KvFormat, WeightFormat } from "../src/device/device.ts";
import { type BeadsProblem, beadsProblems } from "../src/eval/beads.ts";
import { pairedDifference } from "../src/eval/metrics/interval.ts";
import {
  accuracy,
  BEADS_TOKENS,
  meanReads,
  type ProblemRun,
  percent,
  runProblems,
  soloPeak,
} from "../src/eval/race.ts";
import { load } from "../src/request/session.ts";

const { values: args } = parseArgs({
  options: {
    problems: { type: "string", default: "400" },
    file: { type: "string" }, // JSON lines of { question, answer } instead of generated problems
    width: { type: "string", default: "16" },
    seed: { type: "string", default: "2026" },
    device: { type: "string" },
    weights: { type: "string", default: "bf16" },
    kv: { type: "string", default: "bf16" },
    caches: { type: "string", default: "full,gates-2x,full-2x,gates-3x,gates-4x,full-4x" },
    solo: { type: "string", default: "12" }, // problems run alone, for peak pages
  },
});
const lines = (file: string) =>
  readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
const width = Number(args.width);
const problems: BeadsProblem[] = args.file
  ? lines(args.file)
  : beadsProblems({ count: Number(args.problems), seed: Number(args.seed) });
const widths = [1, 2, 4, 8, 16].filter((w) => w <= width);
const models = fileURLToPath(new URL("../models/", import.meta.url));
const SEED = 1000; // of chains: problem i draws with SEED + i

/**
 * How each row of the table is loaded: the untouched model, gates laid over it, or a
 * checkpoint with all weights trained.
 */
const options = (cache: string) => {
  const shared = {
    device: args.device as "cpu" | undefined,
    weights: args.weights as WeightFormat,
    kv: args.kv as KvFormat,
  };
  if (cache === "full") return { model: `${models}beads`, ...shared };
  if (cache.startsWith("gates")) return { model: `${models}beads`, adapter: `${models}beads-dms-${cache}`, ...shared };
  return { model: `${models}beads-dms-${cache}`, ...shared };
};

async function run(cache: string): Promise<ProblemRun[]> {
  const folder = fileURLToPath(new URL("out/", import.meta.url));
  mkdirSync(folder, { recursive: true });
  const set = args.file ? basename(args.file, ".jsonl") : args.seed;
  const file = `${folder}beads-${cache}-${set}-w${width}-${args.weights}-${args.kv}.jsonl`;
  const done: ProblemRun[] = existsSync(file) ? lines(file) : [];
  await using session = await load({ ...options(cache), chains: 64 });
  const started = performance.now();
  let tokens = 0;
  let count = 0;
  const runs = await runProblems(session, problems, width, {
    seed: SEED,
    done,
    onRun: (row) => {
      appendFileSync(file, `${JSON.stringify(row)}\n`);
      tokens += row.tokens.reduce((a, b) => a + b, 0);
      if (process.stderr.isTTY) process.stderr.write(`\r${cache}: ${++count} problems `);
    },
  });
  const seconds = (performance.now() - started) / 1000;
  if (tokens)
    console.error(
      `${cache}: ${seconds.toFixed(0)} s, ${Math.round(tokens / seconds)} tokens/s (${session.device.description})`,
    );
  return runs;
}

/** Mean peak of the pool's pages for each width, over problems that run alone. */
async function peakPages(cache: string): Promise<number[]> {
  await using session = await load({ ...options(cache), chains: width });
  const peaks: number[] = [];
  for (const w of widths)
    peaks.push(
      await soloPeak(session, problems.slice(0, Number(args.solo)), { width: w, seed: SEED, maxTokens: BEADS_TOKENS }),
    );
  return peaks;
}

/** Votes of a compressed cache that the full cache's reads pay for: widest k, and the paired difference. */
function atEqualReads(full: ProblemRun[], runs: ProblemRun[], w: number) {
  const k = Math.min(width, Math.floor((w * meanReads(full)) / meanReads(runs)));
  return { full: w, chains: k, gain: pairedDifference(accuracy(full, w).perProblem, accuracy(runs, k).perProblem) };
}

const table = [];
let full: ProblemRun[] | null = null;
for (const cache of args.caches.split(",")) {
  const runs = await run(cache);
  if (cache === "full") full = runs;
  const votes = widths.map((w) => accuracy(runs, w));
  table.push({
    equalReads:
      full && cache !== "full" ? widths.filter((w) => w < width / 2).map((w) => atEqualReads(full!, runs, w)) : [],
    cache,
    cr: mean(runs.map((row) => row.fullReads)) / mean(runs.map((row) => row.reads.reduce((a, b) => a + b, 0))),
    votes: votes.map((vote) => vote.interval),
    gain: pairedDifference(votes[0].perProblem, votes.at(-1)!.perProblem),
    readsPerChain: meanReads(runs),
    tokensPerChain: mean(runs.flatMap((row) => row.tokens)),
    peakKeys: mean(runs.flatMap((row) => row.peakKeys)),
    peakPages: await peakPages(cache),
    abstained: mean(runs.flatMap((row) => row.answers.keys.map((key) => Number(key === null)))),
  });
}
console.log(
  `${problems.length} problems (${args.file ?? `2 to 8 containers, seed ${args.seed}`}), ${width} chains each, temperature 1, at most 440 new tokens; percent with 95% intervals\n`,
);
const names = widths.map((w) => (w === 1 ? "avg@1" : `maj@${w}`));
console.log(
  `| cache | achieved CR | ${names.join(" | ")} | maj@${width} - avg@1, paired | KV reads a chain | peak keys | peak pages at W = ${widths.join(", ")} |`,
);
console.log(`|---|---|${widths.map(() => "---|").join("")}---|---|---|---|`);
for (const row of table)
  console.log(
    `| ${row.cache} | ${row.cr.toFixed(2)} | ${row.votes.map(percent).join(" | ")} | ${percent(row.gain)} | ${Math.round(row.readsPerChain)} | ${Math.round(row.peakKeys)} | ${row.peakPages.join(", ")} |`,
  );
console.log("\nAt equal KV reads, points more than the full cache's vote (paired, 95%):\n");
for (const { cache, equalReads } of table)
  for (const { full: w, chains, gain } of equalReads)
    console.log(`- ${cache}: ${chains} chains for the reads of ${w}: ${percent(gain)}`);
console.log(JSON.stringify(table));
