// Retrofits of models/abacus: the recipe from three seeds, with all weights and with LoRA, and what changes when one
// part of it is another.
//   node bench/retrofits.ts [--only full,lora-1,..] [--seeds 3] [--out bench/out/retrofits] [--list]
// Each is a run of the program in a folder of its own; a finished one is not run again, an interrupted one goes on. At
// the end it prints what was achieved and how long it took, and the command that measures all of them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { readJournal } from "../src/train/journal.ts";
import { here } from "./before.ts";

const { values: args } = parseArgs({
  options: {
    only: { type: "string" },
    seeds: { type: "string", default: "3" },
    out: { type: "string", default: join(here, "bench/out/retrofits") },
    list: { type: "boolean", default: false },
  },
});

/** What all have in common. Held-out text is of the same kind. */
const COMMON = [
  ...["--model", join(here, "models/abacus")],
  ...["--data", "abacus:steps=2-12,distractors=0-10,slip=0.04/0.02,unlearned,checks=1/6/2/1,settle,cut=0.05"],
  ...["--windows", "4", "--length", "1536", "--held-out", "8", "--evaluate-each", "20", "--checkpoint-each", "50"],
  // From closed gates the same ramp cost 0.2 nats at CR 3; gates that begin as a surrogate recover within 20 steps.
  ...["--init", "kvzap", "--cr-from", "2", "--cr", "16", "--cr-steps", "40", "--steps", "560"],
  ...["--window", "16", "--schedule", "linear", "--last", "0.1", "--gate-rate", "1e-3"],
];
const FULL = ["--train", "full", "--optimizer", "muon", "--muon-rate", "5e-3", "--rate", "5e-4"];
const LORA = ["--train", "lora", "--rank", "16", "--rate", "2e-3"];
const FAMILY = ["--achieve", "2,4,8"];
const FOUR = ["--achieve", "4"];

/** Names and options. */
const RUNS: [name: string, options: string[]][] = [];
for (let seed = 0; seed < Number(args.seeds); seed++) {
  RUNS.push([`full-${seed}`, [...FULL, ...FAMILY, "--seed", String(seed)]]);
  RUNS.push([`lora-${seed}`, [...LORA, ...FAMILY, "--seed", String(seed)]]);
}
RUNS.push(
  ["immediate", [...FULL, ...FOUR, "--eviction", "immediate"]],
  ["ntp", [...FULL, ...FOUR, "--loss", "ntp"]],
  ["gates", [...FULL, ...FOUR, "--train", "gates"]],
  ["per-layer", [...FULL, ...FOUR, "--per", "layer"]],
  ["random-trigger", [...FULL, ...FOUR, "--trigger", "random"]],
);

const wanted = RUNS.filter(([name]) => !args.only || args.only.split(",").includes(name));
for (const [name, options] of wanted) {
  const out = join(args.out, name);
  const command = ["retrofit", ...COMMON, ...options, "--out", out];
  console.error(`${name}: hyperthink ${command.map((word) => word.replace(here, "")).join(" ")}`);
  if (args.list || existsSync(join(out, "training.json"))) continue;
  const child = spawn(process.execPath, [join(here, "src/cli/main.ts"), ...command], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code] = await once(child, "exit");
  if (code !== 0) process.exit(1);
}
if (args.list) process.exit();

console.log("| run | steps | minutes | achieved CR, held out | loss, held out |\n|---|---|---|---|---|");
for (const [name] of wanted) {
  const out = join(args.out, name);
  const entries = await readJournal(join(out, "journal.jsonl"));
  const minutes = entries.reduce((sum, { seconds = 0 }) => sum + seconds, 0) / 60;
  const cells = [2, 4, 8].flatMap((ratio) => {
    const recipe = join(out, `cr${ratio}`, "training.json");
    if (!existsSync(recipe)) return [];
    const { reached } = JSON.parse(readFileSync(recipe, "utf8"));
    const { step, heldOut, heldOutCr } = reached;
    return [{ cr: `${heldOutCr.toFixed(2)} (step ${step})`, loss: heldOut.toFixed(4) }];
  });
  const join2 = (key: "cr" | "loss") => cells.map((cell) => cell[key]).join(", ");
  console.log(`| ${name} | ${entries.at(-1)!.step} | ${minutes.toFixed(1)} | ${join2("cr")} | ${join2("loss")} |`);
}
const at = (name: string, ratio: number) => relative(process.cwd(), join(args.out, name, `cr${ratio}`));
const seeds = [...Array(Number(args.seeds)).keys()];
const full = [2, 4, 8].map((cr) => `full-${cr}x=${seeds.map((seed) => at(`full-${seed}`, cr)).join("|")}`);
console.log(`\nnode bench/abacus.ts --forms "full,${full.join(",")}"`);
