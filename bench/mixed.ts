// What it costs that one engine runs groups of any policies in one step. Chains with prompts of their own, Qwen3-0.6B's
// shape, random weights, bf16; all that is compared takes turns, as the machine's speed changes from minute to minute.
//   node bench/mixed.ts [--before COMMIT] [--rounds 24] [--width 16] [--context 4096] [--parts single,mixed]
// single: steps of one policy, beside those of the commit before, each in a process of its own: at most 1.05 times.
// mixed: as many chains, of four policies in one step, beside the mean of the four alone: at most 1.10 times.
// Ratios are of medians over the rounds, with the 95% interval of a bootstrap over rounds; its upper end is judged.
// A chain of 4k takes 0.5 GiB where its cache is full: 16 of them in two processes, 18 GiB with the weights.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { here, withCommit } from "./before.ts";
import { openDecoder, type Request, type Size } from "./decoder.ts";
import { interval, median } from "./median.ts";

const { values: args } = parseArgs({
  options: {
    before: { type: "string", default: "HEAD~1" },
    rounds: { type: "string", default: "24" },
    width: { type: "string", default: "16" },
    context: { type: "string", default: "4096" },
    parts: { type: "string", default: "single,mixed" },
  },
});
const [rounds, width, context] = [args.rounds, args.width, args.context].map(Number);
/** Steps of a turn, whose median counts. */
const STEPS = 3;
/** Steps that touch fresh memory, before those that count. */
const WARM = 3;
const budget = Math.floor(context / 8);
const SPECS = ["full", "dms", `tova:budget=${budget}`, `snapkv:budget=${budget},every=64`];
const results: Record<string, unknown>[] = [];

/** Seconds of each round, by what was timed; turns go forth and back. */
async function alternate(turns: readonly (() => Promise<number>)[]): Promise<number[][]> {
  const times = turns.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    const order = [...turns.keys()];
    if (round % 2 === 1) order.reverse();
    for (const i of order) times[i].push(await turns[i]());
  }
  return times;
}

/** The last of what was timed over the mean of the others. */
function judge(what: string, times: readonly number[][], most: number): void {
  const medians = (drawn: readonly number[]) => times.map((all) => median(drawn.map((round) => all[round])));
  const ratioOf = (drawn: readonly number[]) => {
    const of = medians(drawn);
    return of.at(-1)! / (of.slice(0, -1).reduce((a, b) => a + b) / (of.length - 1));
  };
  const all = Array.from({ length: rounds }, (_, i) => i);
  const [ratio, [low, high]] = [ratioOf(all), interval(rounds, ratioOf)];
  const seconds = medians(all);
  console.log(
    `${what.padEnd(30)} ${seconds.map((s) => (1000 * s).toFixed(1)).join(", ")} ms  ` +
      `ratio ${ratio.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]  ${high <= most ? "holds" : `ABOVE ${most}`}`,
  );
  results.push({ what, seconds, ratio, low, high, most });
  if (high > most) process.exitCode = 1;
}

async function ask(child: ChildProcess, request: Request): Promise<number> {
  child.send(request);
  const ended = new AbortController();
  const exit = once(child, "exit", ended).then(([code]) => Promise.reject(new Error(`a child ended with ${code}`)));
  const [answer] = await Promise.race([once(child, "message", ended), exit]);
  exit.catch(() => {}); // ended by the next line
  ended.abort();
  return answer;
}

async function single(root: string): Promise<void> {
  const size: Size = { width, context, room: WARM + rounds * STEPS, policies: 1 };
  const program = fileURLToPath(new URL("decoder.ts", import.meta.url));
  const children = [root, here].map((cwd) => fork(program, [cwd, JSON.stringify(size)], { cwd }));
  try {
    console.log(`single: ${width} chains of ${context} tokens, before and now`);
    for (const spec of SPECS) {
      for (const child of children) {
        await ask(child, { open: spec });
        await ask(child, { steps: WARM });
      }
      judge(spec, await alternate(children.map((child) => () => ask(child, { steps: STEPS }))), 1.05);
    }
  } finally {
    for (const child of children) child.kill();
  }
}

async function mixed(): Promise<void> {
  // Chains of the mixed steps belong to those that decode alone too.
  const room = 2 * (WARM + rounds * STEPS);
  const decoder = await openDecoder(here, { width, context, room, policies: SPECS.length });
  const alone = [];
  for (const spec of SPECS) alone.push(await decoder.open(spec, width));
  const together = alone.flatMap((chains) => chains.slice(0, width / SPECS.length));
  const groups = [...alone, together];
  for (const chains of groups) await decoder.steps(chains, WARM);
  console.log(`mixed: ${width} chains of ${context} tokens, of ${SPECS.join(", ")} alone, and of all in one step`);
  judge("mixed", await alternate(groups.map((chains) => () => decoder.steps(chains, STEPS))), 1.1);
  decoder.end();
}

if (args.parts.includes("single")) await withCommit(args.before, single);
if (args.parts.includes("mixed")) await mixed();
console.log(JSON.stringify(results));
