// Trained gates for SmolLM2-135M-Instruct: the texts, the retrofits, and the command that compares them with all
// policies on other text.
//   node bench/smollm2.ts --corpora DIR [--model models/smollm2-135m-instruct] [--chats 200] [--out models] [--list]
// DIR holds wikitext2-valid.txt (the validation text of WikiText-2) and tinystories_train_0.txt. Chats are the model's
// own; later runs read three times as many, those of the first among them. A part that is there is not made again; an
// interrupted retrofit goes on.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { here } from "./before.ts";
import { retrofitted } from "./retrofitted.ts";

const { values: args } = parseArgs({
  options: {
    corpora: { type: "string" },
    model: { type: "string", default: "models/smollm2-135m-instruct" },
    chats: { type: "string", default: "200" },
    out: { type: "string", default: "models" },
    list: { type: "boolean", default: false },
  },
});
if (args.corpora === undefined) throw new Error("expected --corpora DIR with the texts to learn from");
process.chdir(here); // so that what the results say of files is relative to the project
const texts = "bench/out/corpora";
mkdirSync(texts, { recursive: true });

/** About as much of each: sources are read as one text, and a large one would drown the others. */
const STORIES = 500_000;

function prepare(name: string, of: string, change: (text: string) => string): void {
  const out = join(texts, name);
  if (!existsSync(out)) writeFileSync(out, change(readFileSync(join(args.corpora!, of), "utf8")));
}

async function writeChats(out: string, count: string): Promise<void> {
  const command = ["examples/self-chats.ts", args.model, count];
  console.error(command.join(" "));
  if (args.list) return;
  const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  await pipeline(child.stdout, createWriteStream(`${out}.tmp`));
  const [code] = await ended;
  if (code !== 0) process.exit(1);
  renameSync(`${out}.tmp`, out);
}

if (!args.list) {
  // Rare words stand as <unk> in it, which raw text has not.
  prepare("wikitext2-valid.txt", "wikitext2-valid.txt", (text) => text.replaceAll(" <unk>", ""));
  prepare("stories.txt", "tinystories_train_0.txt", (text) =>
    text.slice(0, text.lastIndexOf("<|endoftext|>", STORIES)),
  );
}
/** Of the first run; later ones read more, as a model that is to keep its own chats has to see enough of them. */
const chats = { first: join(texts, "chats.jsonl"), more: join(texts, "chats-more.jsonl") };
const counts = { [chats.first]: args.chats, [chats.more]: String(3 * Number(args.chats)) };

const data = (own: string): string[] =>
  ["wikitext2-valid.txt", "stories.txt"].map((name) => join(texts, name)).concat(own);
const COMMON = [
  ...["--windows", "1", "--length", "1024", "--window", "32", "--train", "lora", "--rank", "16"],
  ...["--schedule", "linear", "--last", "0.05"],
  ...["--held-out", "8", "--evaluate-each", "50", "--checkpoint-each", "50"],
];
const first = "bench/out/smollm2-first";
const names = ["2x", "4x"].map((ratio) => join(args.out, `smollm2-135m-dms-${ratio}`));
const [two, four] = names;
/**
 * Each learns on from the one before. The first finds the gates; at its rates the LoRA alone, with every key kept, was
 * 0.005 nats from the model at CR 2 and 0.019 at CR 4, so the others go slower.
 */
const RUNS: { out: string; chats: string; options: string[] }[] = [
  {
    ...{ out: first, chats: chats.first },
    options: [
      ...["--init", "kvzap", "--cr-from", "1.8", "--cr", "2.1", "--cr-steps", "100", "--steps", "300"],
      ...["--rate", "5e-4", "--gate-rate", "1e-3"],
    ],
  },
  {
    ...{ out: two, chats: chats.more },
    options: [
      ...["--from", first, "--cr-from", "2.1", "--cr", "2.1", "--steps", "200", "--seed", "2"],
      ...["--rate", "2e-4", "--gate-rate", "3e-4"],
    ],
  },
  {
    ...{ out: four, chats: chats.more },
    options: [
      ...["--from", two, "--cr-from", "2.1", "--cr", "4.7", "--cr-steps", "60", "--steps", "520", "--seed", "3"],
      ...["--rate", "2e-4", "--gate-rate", "5e-4"],
    ],
  },
];
/** The first run is only for the second. */
const isMade = (out: string): boolean =>
  (out === first ? [first, two] : [out]).some((folder) => existsSync(join(folder, "training.json")));
const left = RUNS.filter(({ out }) => args.list || !isMade(out));
for (const own of new Set(left.map((run) => run.chats))) if (!existsSync(own)) await writeChats(own, counts[own]);
for (const { out, chats: own, options } of left) {
  const all = ["--model", args.model, ...data(own).flatMap((path) => ["--data", path]), ...COMMON, ...options];
  console.error(`hyperthink retrofit ${all.join(" ")} --out ${out}`);
  if (!args.list) await retrofitted(all, out);
}

for (const out of names)
  console.log(
    `hyperthink compare --model ${relative(here, args.model) || args.model} --adapter ${out} ` +
      `--reference ${args.model} --text wiki.test.raw --texts 32 dms`,
  );
