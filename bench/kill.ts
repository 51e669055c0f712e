// Kills training runs at random moments and goes on with them: they must end with the bits of a run that nobody killed.
//   node bench/kill.ts [KILLS] [--seed 1] [--steps 16] [--kinds pretrain,retrofit,fitted]
// The kills (default: 20) meet in equal parts a pretraining run, a retrofit of what that made, and with `fitted` one
// whose gates begin as a fit (--init kvzap), all through the program as users run it, on one thread and two in turn.
// A moment is uniform over the time that the run takes when it is left alone, so that it falls into loading, the fit,
// steps, evaluations, checkpoints or the last save; a run that ends before is compared, and another is begun. Compared
// are all files that a run leaves, without times and the plot (which names its folder). Exit code 1 where anything
// differs; what does is kept in bench/out.
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { seeded } from "../src/base/rng.ts";
import { here } from "./before.ts";
import { runOrKill } from "./killable.ts";

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string", default: "1" },
    steps: { type: "string", default: "16" },
    kinds: { type: "string", default: "pretrain,retrofit" },
  },
});
const kills = Number(positionals[0] ?? 20);
const random = seeded(Number(args.seed));
const folder = mkdtempSync(join(tmpdir(), "hyperthink-kill-"));
const abacus = join(here, "models/abacus");
const common = [
  ...["--data", "abacus:steps=2-4", "--steps", args.steps, "--windows", "1", "--length", "1536"],
  ...["--held-out", "1", "--evaluate-each", "5", "--checkpoint-each", "2"],
];
const base = join(folder, "pretrain-left-alone");
const FAST = ["--cr-steps", "5", "--rate", "3e-3", "--gate-rate", "3e-2"];
const KINDS = {
  pretrain: ["pretrain", "--config", join(abacus, "config.json"), "--tokenizer", abacus, ...common],
  retrofit: ["retrofit", "--model", base, "--init", "zero", ...FAST, ...common],
  fitted: ["retrofit", "--model", abacus, "--init", "kvzap", "--prompts", "4", ...FAST, ...common],
};
const kinds = args.kinds.split(",") as (keyof typeof KINDS)[];
if (kinds.includes("retrofit") && !kinds.includes("pretrain"))
  throw new Error("--kinds retrofit: expected pretrain too, whose result it learns on from");

/** Whether the run is finished. */
const start = async (command: readonly string[], out: string, threads: number, after = Infinity): Promise<boolean> =>
  (await runOrKill([...command, "--out", out, "--threads", String(threads)], folder, after)) ||
  existsSync(join(out, "training.json"));

/** A hash of each file that a run left; of its journal without the times of steps. */
function hashes(out: string): Record<string, string> {
  const files = readdirSync(out, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    files
      .filter((entry) => entry.isFile() && !entry.name.endsWith(".svg") && !entry.parentPath.includes("checkpoints"))
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => {
        const bytes = readFileSync(file);
        const untimed = /\.jsonl?$/.test(file) ? bytes.toString().replaceAll(/"seconds": ?[\d.]+/g, "") : bytes;
        return [relative(out, file), createHash("sha256").update(untimed).digest("hex")];
      }),
  );
}

const results: Record<string, unknown>[] = [];
try {
  for (const [k, kind] of kinds.entries()) {
    const command = KINDS[kind];
    const alone = join(folder, `${kind}-left-alone`);
    const began = performance.now();
    await start(command, alone, 2);
    const whole = performance.now() - began;
    const expected = hashes(alone);
    let [ended, differing, killed, starts] = [0, 0, 0, 0];
    const wanted = Math.floor(kills / kinds.length) + (k < kills % kinds.length ? 1 : 0);
    for (; killed < wanted; ended++) {
      const out = join(folder, `${kind}-${ended}`);
      for (let done = false; !done; starts++) {
        done = await start(command, out, 1 + (starts % 2), killed < wanted ? random.next() * whole : Infinity);
        if (!done) killed++;
      }
      const got = hashes(out);
      const wrong = [...new Set([...Object.keys(expected), ...Object.keys(got)])].filter(
        (name) => got[name] !== expected[name],
      );
      if (wrong.length > 0) {
        differing++;
        const kept = `bench/out/kill-${kind}-${ended}`;
        cpSync(out, join(here, kept), { recursive: true });
        console.log(`  run ${ended} DIFFERS in ${wrong.join(", ")}: kept in ${kept}`);
      }
      rmSync(out, { recursive: true });
    }
    console.log(
      `${kind}: ${killed} kills over ${ended} runs of ${(whole / 1000).toFixed(1)} s; ` +
        `${differing === 0 ? "all end with the bits of one that was left alone" : `${differing} DIFFER`}`,
    );
    results.push({ kind, kills: killed, runs: ended, seconds: whole / 1000, differing });
    if (differing > 0) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true });
}
console.log(JSON.stringify(results));
