// Whether the reasoner's re-checks repair slips: what chains of models/abacus had found before their first ` wait`
// against what they answer; with a re-check forced upon them, with their thinking cut, and going on from a first pass
// of the trace generator's in which a sum or product is wrong.
//   node bench/repairs.ts [--model models/abacus] [--problems 100] [--width 8] [--seed 2026] [--temperature 1]
import { join } from "node:path";
import { parseArgs } from "node:util";
import pMap from "p-map";
import { seeded } from "../src/base/rng.ts";
import { ABACUS_CONTEXT } from "../src/eval/abacus/example.ts";
import { isHeldOut } from "../src/eval/abacus/held-out.ts";
import { abacusProblem } from "../src/eval/abacus/problem.ts";
import { ABACUS_TOKENS, abacusProblems } from "../src/eval/abacus/problems.ts";
import { promptTokens } from "../src/eval/abacus/sentences.ts";
import { trace } from "../src/eval/abacus/trace.ts";
import { TOKENS } from "../src/eval/abacus/vocabulary.ts";
import { RACE_SAMPLING } from "../src/eval/race.ts";
import type { Prompt } from "../src/request/prompt.ts";
import { load } from "../src/request/session.ts";
import { type ScaleOptions, scale } from "../src/scale/scale.ts";
import { here } from "./before.ts";

const { values: args } = parseArgs({
  options: {
    model: { type: "string", default: join(here, "models/abacus") },
    problems: { type: "string", default: "100" },
    width: { type: "string", default: "8" },
    seed: { type: "string", default: "2026" },
    temperature: { type: "string", default: "1" },
  },
});
const [count, width, seed] = [args.problems, args.width, args.seed].map(Number);

interface Asked {
  prompt: Prompt;
  answer: number;
}

interface Chain {
  checks: number; // ` wait`s after what it was asked: one that stands there already does not count
  first: boolean; // what it had found before them is right
  answered: boolean;
  right: boolean;
}

const whole: Asked[] = abacusProblems({ count, seed }).map(({ question, answer }) => ({ prompt: question, answer }));

interface Slipped {
  ids: readonly number[]; // prompt and first pass
  answer: number;
}

/** Problems that no training saw, with a first pass that ends in a wrong number. */
function slippedPasses(): Slipped[] {
  const all: Slipped[] = [];
  for (let i = 0; all.length < count; i++) {
    const rng = seeded(seed, i);
    const problem = abacusProblem(rng, { steps: 2 + rng.below(11), distractors: rng.below(11) });
    if (!isHeldOut(problem)) continue;
    const { ids, results } = trace(rng, problem, { slips: [0.05], checks: 0, settle: false, most: 1000 });
    if (results[0].value === problem.answer) continue;
    all.push({ ids: [...promptTokens(problem), ...ids], answer: problem.answer });
  }
  return all;
}

const slips = slippedPasses();
const slipped = (then: readonly number[]): Asked[] =>
  slips.map(({ ids, answer }) => ({ prompt: { ids: [...ids, ...then] }, answer }));

/** Tokens that the context has left. */
const most = (prompt: Prompt): number =>
  typeof prompt === "object" && "ids" in prompt ? ABACUS_CONTEXT - prompt.ids.length : ABACUS_TOKENS;

/** The last number of a pass stands behind "=" at its end. */
const found = (pass: string): string | undefined => /= (\d+)\s*$/.exec(pass.trimEnd())?.[1];

await using session = await load({ model: args.model, chains: 64 });

async function chainsOf(name: string, asked: readonly Asked[], more: Partial<ScaleOptions>): Promise<Chain[]> {
  const chains: Chain[] = [];
  const run = async ({ prompt, answer }: Asked, i: number) => {
    const own = { ...RACE_SAMPLING, temperature: Number(args.temperature), seed: 1000 + i, width, ...more };
    const result = await scale(session, prompt, { ...own, earlyStop: false, maxTokens: most(prompt) }).result;
    for (const { text, answer: said } of result.chains) {
      const [first, ...checks] = text.split("</think>")[0].split(/ wait\n/);
      chains.push({
        checks: checks.length,
        first: found(first) === String(answer),
        answered: said.kind === "answer",
        right: said.kind === "answer" && said.key === String(answer),
      });
    }
  };
  await pMap(asked, run, { concurrency: Math.ceil(64 / width) });
  console.error(`${name}: ${chains.length} chains`);
  return chains;
}

const share = (chains: readonly Chain[], what: (chain: Chain) => boolean): string => {
  const hits = chains.filter(what).length;
  return chains.length === 0 ? "" : `${((100 * hits) / chains.length).toFixed(1)}% (${hits} of ${chains.length})`;
};
const runs: [name: string, asked: readonly Asked[], options: Partial<ScaleOptions>][] = [
  ["as it thinks", whole, {}],
  ["a re-check forced at its end", whole, { nudges: 1 }],
  ["thinking cut after 250 tokens", whole, { thinkMost: 250 }],
  ["thinking cut after 100 tokens", whole, { thinkMost: 100 }],
  ["from a first pass with a slip", slipped([]), {}],
  ["from such a pass, ` wait` forced", slipped([TOKENS.wait, TOKENS.newline]), {}],
];
const rows = [];
for (const [name, asked, options] of runs) {
  const chains = await chainsOf(name, asked, options);
  const [right, wrong] = [true, false].map((first) => chains.filter((c) => c.checks > 0 && c.first === first));
  const given = asked !== whole;
  rows.push([
    name,
    share(chains, ({ checks }) => checks > 0),
    given ? "" : share(chains, ({ first }) => first),
    share(chains, (chain) => chain.right),
    given ? "" : share(wrong, (chain) => chain.right),
    given ? "" : share(right, (chain) => !chain.right),
    share(chains, ({ answered }) => answered),
  ]);
}
console.log(`${count} problems x ${width} chains, temperature ${args.temperature}\n`);
console.log(
  "| | re-checked | first pass right | right in the end | wrong, then mended | right, then spoilt | answered |",
);
console.log("|---|---|---|---|---|---|---|");
for (const row of rows) console.log(`| ${row.join(" | ")} |`);
