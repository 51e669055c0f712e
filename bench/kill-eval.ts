// Kills an evaluation at random moments and goes on with it: what it says of every chain must be what one says that
// nobody killed, and no chain that had ended may run a second time.
//   node bench/kill-eval.ts [KILLS] [--seed 1] [--problems 24]
// KILLS (default: 10) moments are uniform over the time that the run takes when it is left alone, so that they fall
// into loading, prompts, decoding, grading or writing; a run that ends before its kill is compared, and another begun.
// One thread and two in turn, and another number of chains in flight each time. Exit code 1 where anything differs;
// what does is kept in bench/out.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seeded } from "../src/base/rng.ts";
import { ENDED_FILE } from "../src/eval/harness/folder.ts";
import { CHAINS_FILE } from "../src/eval/harness/record.ts";
import { here } from "./before.ts";
import { runOrKill } from "./killable.ts";

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: "string", default: "1" }, problems: { type: "string", default: "24" } },
});
const kills = Number(positionals[0] ?? 10);
const random = seeded(Number(args.seed));
const folder = mkdtempSync(join(tmpdir(), "hyperthink-kill-eval-"));
const at = (name: string) => join(here, "models", name);
const command = [
  ...["eval", "--task", "beads:low=4,high=7", "--task", "beads:low=2,high=3", "--limit", args.problems],
  ...["--setting", `full=${at("beads")}:full:400-4-1`, "--setting", `tova=${at("beads")}:tova:400-4-3`],
  ...["--setting", `dms=${at("beads-dms-full-4x")}:dms:400-4-4`, "--json"],
];

/** Whether it ended before it was killed. */
const start = (out: string, { threads = 2, batch = 64, after = Infinity } = {}): Promise<boolean> =>
  runOrKill([...command, "--out", out, "--threads", String(threads), "--batch", String(batch)], folder, after);

const linesOf = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
/** What both files of a run have of a chain, by chain: how long it took tells whether it ran again. */
const seconds = (out: string): Map<string, number> =>
  new Map(
    [ENDED_FILE, CHAINS_FILE]
      .flatMap((name) => linesOf(join(out, name)))
      .map((line) => JSON.parse(line))
      .map(({ task, setting, problem, chain, seconds }) => [JSON.stringify([task, setting, problem, chain]), seconds]),
  );
const chains = (out: string): string[] =>
  linesOf(join(out, CHAINS_FILE))
    .map((line) => JSON.stringify({ ...JSON.parse(line), seconds: 0 }))
    .sort();

let [killed, ended, starts, differing, again] = [0, 0, 0, 0, 0];
try {
  const alone = join(folder, "left-alone");
  const began = performance.now();
  await start(alone);
  const whole = performance.now() - began;
  const expected = chains(alone);
  console.log(`${expected.length} chains, ${(whole / 1000).toFixed(1)} s left alone`);
  for (; killed < kills; ended++) {
    const out = join(folder, `killed-${ended}`);
    for (let done = false; !done; starts++) {
      const before = seconds(out);
      const after = killed < kills ? random.next() * whole : Infinity;
      done = await start(out, { threads: 1 + (starts % 2), batch: [64, 7, 1000][starts % 3], after });
      const now = seconds(out);
      const repeated = [...before].filter(([chain, time]) => now.get(chain) !== time);
      again += repeated.length;
      if (!done) {
        killed++;
        console.log(
          `kill ${killed} after ${(after / 1000).toFixed(2)} s: ${before.size} chains before, ${now.size} now`,
        );
      }
      for (const [chain] of repeated) console.log(`  ${chain} is gone, or ran again`);
    }
    const got = chains(out);
    const wrong = expected.filter((line) => !got.includes(line));
    if (wrong.length === 0 && got.length === expected.length) continue;
    differing++;
    const kept = `bench/out/kill-eval-${ended}`;
    cpSync(out, join(here, kept), { recursive: true });
    console.log(
      `  run ${ended} DIFFERS in ${wrong.length} of ${expected.length} chains, has ${got.length}: kept in ${kept}`,
    );
  }
  console.log(
    `${killed} kills over ${ended} runs: ${differing === 0 ? "all say of every chain what one left alone does" : `${differing} DIFFER`}; ` +
      `${again === 0 ? "no chain that had ended was lost or ran again" : `${again} chains were LOST or ran again`}`,
  );
  if (differing + again > 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
