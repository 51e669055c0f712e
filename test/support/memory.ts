// A process of its own: resident memory of a session of Qwen3-0.6B's lanes over a model that is small otherwise.
//   node --expose-gc test/support/memory.ts CONTEXT   prints { open, chains, pages } in bytes

import { setTimeout } from "node:timers/promises";
import { qwen3_06b, syntheticWeights } from "../../bench/synthetic.ts";
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
  suggested: { sampling: {}, notes: [] },
  endIds: [],
};
const session = new Session({ ...parts, spoken: undefined }, { model: "", context, chains: CHAINS });
const open = await resident();
const { engine, runner } = session;
const ids = Array.from({ length: PROMPT }, (_, i) => i + 1);
const measure = async (): Promise<void> => {
  const pages = runner.table.pool.used * runner.table.device.bytesPerPage;
  resolve({ chains: (await resident()) - open, pages });
};
const { promise, resolve } = Promise.withResolvers<{ chains: number; pages: number }>();
const sampling = { ...greedy, temperature: 1 };
const group = engine.submit(
  ids,
  makePolicy("full", config),
  Array.from({ length: CHAINS }, (_, index) => ({
    sampling,
    maxTokens: 8,
    stopIds: new Set<number>(),
    index,
    onToken: () => {
      if (group.chains.every(({ tokens }) => tokens.length === 4)) runner.turn(measure); // the next step waits
      return false;
    },
  })),
);
const measured = await promise;
for (const chain of group.chains) engine.abort(chain);
await session.close();
console.log(JSON.stringify({ open: open - loaded, ...measured }));
