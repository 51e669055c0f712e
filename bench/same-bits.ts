// Do two commits compute the same bits? Builds another commit beside this one and compares the hashes of all logits of
// some runs, for each instruction set of this machine: `node bench/same-bits.ts --before COMMIT`. A child of itself
// runs in each checkout.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { here, run, withCommit } from "./before.ts";

/** Policies and types of keys and values over the small reasoner with gates; chains fork from one prompt and draw. */
const RUNS = [
  ["full", "bf16"],
  ["full", "f32"],
  ["dms", "bf16"],
  ["dms", "f32"],
  ["tova:budget=48", "bf16"],
  ["h2o:budget=48", "f32"],
  ["snapkv:budget=48,window=8,every=16,ada=0.2", "bf16"],
  ["rkv:budget=48,buffer=16,window=8", "bf16"],
  ["streaming:budget=64,positions=cache", "bf16"],
  ["kvzip:budget=40", "f32"],
  ["quest:budget=64", "bf16"],
  ["expected:budget=48", "bf16"],
  ["dms-budget:budget=48,buffer=16", "bf16"],
] as const;

interface Chain {
  tokens: number[];
}
type Work = (engine: { submit: (...args: unknown[]) => unknown; idle: () => Promise<void> }) => Promise<void>;

/** One line per run: its name, the logits that were hashed, and their hash. */
async function child(root: string): Promise<void> {
  const from = async (file: string) => import(pathToFileURL(join(root, "src", file)).href);
  const now = existsSync(join(root, "src/request/session.ts"));
  const { load } = await from(now ? "request/session.ts" : "engine/session.ts");
  const { Engine } = await from("engine/engine.ts");
  for (const [spec, kv] of RUNS) {
    await using session = await load({ model: join(root, "models/beads-dms-full-4x"), device: "cpu", kv, chains: 8 });
    const policy = session.policy(spec, { tokens: 300 });
    const hashes = new Map<Chain, ReturnType<typeof createHash>>();
    let rows = 0;
    const onLogits = (chain: Chain, _index: number, logits: Float32Array) => {
      rows++;
      const hash = hashes.get(chain) ?? createHash("sha256");
      hashes.set(chain, hash.update(new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength)));
    };
    const question = "Ann has 12 red beads and 7 blue beads. She gives Bob 5 red beads. Bob has 3 times as many as Cy.";
    const { ids } = { ids: await session.tokenizer.encode(`${question} `.repeat(4), { special: true }) };
    const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1.1, seed: 7, logprobs: null };
    const specs = Array.from({ length: 6 }, (_, index) => ({ sampling, maxTokens: 96, stopIds: new Set(), index }));
    if (!now) session.runner.policy = policy;
    const engine: Parameters<Work>[0] = new Engine(session.runner, { onLogits });
    engine.submit(...(now ? [ids, policy, specs] : [ids, specs]));
    await engine.idle();
    const all = createHash("sha256");
    for (const hash of hashes.values()) all.update(hash.digest());
    console.log(`${spec}, ${kv}: ${rows} rows ${all.digest("hex")}`);
  }
}

const { values } = parseArgs({ options: { before: { type: "string", default: "HEAD~1" }, root: { type: "string" } } });
if (values.root) await child(values.root);
else {
  const { native } = await import("../src/device/native.ts");
  const self = fileURLToPath(import.meta.url);
  let differ = 0;
  await withCommit(values.before, async (other) => {
    for (const isa of native().sets()) {
      const env = { ...process.env, HYPERTHINK_ISA: isa };
      const [before, after] = [other, here].map((root) =>
        run(process.execPath, [self, "--root", root], root, env).trim().split("\n"),
      );
      for (const [i, line] of after.entries()) {
        const same = line === before[i];
        if (!same) differ++;
        console.log(`${same ? "equal" : "DIFFERS"}  ${isa}  ${line.slice(0, -48)}`);
      }
    }
  });
  console.log(differ === 0 ? "all equal" : `${differ} differ`);
  process.exitCode = differ === 0 ? 0 : 1;
}
