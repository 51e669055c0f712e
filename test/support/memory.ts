// A process of its own: resident memory of a session of Qwen3-0.6B's lanes over a model that is small otherwise.
//   node --expose-gc test/support/memory.ts CONTEXT   prints { open, chains, pages } in bytes

import { setTimeout } from "node:timers/promises";
import { qwen3_06b, syntheticWeights } from "../../bench/synthetic.ts";
import { Engine } from "../../src/engine/engine.ts";
import { greedy } from "../../src/engine/sampling.ts";
import { makePolicy } from "../../src/policy/index.ts";
import { openDevice, Session } from "../../src/request/session.ts";

const CHAINS = 64;
const PROMPT = 9; // with what is drawn, every lane keeps to one page

const context = Number(process.argv[2]);
const device = openDevice("cpu", 2);
const config = { ...qwen3_06b(), hidden: 64, intermediate: 64, vocabulary: 256, contextLength: context };
const weights = syntheticWeights(device, config, { weights: "f32", seed: 1 });
const none = new Error("this model has no text");
/** Resident bytes, once what was freed has gone back to the system. */
async function resident(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let still = 0; still < 5; ) {
    globalThis.gc!();
    await setTimeout(20);
    const now = process.memoryUsage.rss();
    still = now < least - 2 ** 18 ? 0 : still + 1;
    least = Math.min(least, now);
  }
  return least;
}

const loaded = await resident();
const parts = {
  device,
  config,
  weights,
  tokenizer: none,
  chat: none,
  notes: [],
  suggested: { sampling: {}, nudge: null, notes: [] },
  endIds: [],
};
const session = new Session({ ...parts, spoken: undefined }, { model: "", context, chains: CHAINS });
const open = await resident();
const { runner } = session;
const ids = Array.from({ length: PROMPT }, (_, i) => i + 1);
let measured: { chains: number; pages: number } | undefined;
const own = new Engine(runner, {
  async onStep() {
    if (measured || !group.chains.every(({ tokens }) => tokens.length >= 4)) return;
    const pages = runner.table.pool.used * runner.table.device.bytesPerPage;
    measured = { pages, chains: (await resident()) - open };
  },
});
const group = own.submit(
  ids,
  makePolicy("full", config),
  Array.from({ length: CHAINS }, (_, index) => ({
    sampling: { ...greedy, temperature: 1 },
    maxTokens: 6,
    stopIds: new Set<number>(),
    index,
  })),
);
await own.idle();
await session.close();
console.log(JSON.stringify({ open: open - loaded, ...measured }));
