// A policy of one's own, one object: it keeps sinks, recent keys, and those with the
// largest values. node examples/policy.ts
import { fileURLToPath } from "node:url";
import { Comparison, generate, load, once, type Policy, scale, summarise } from "../src/index.ts";

const base = once("largest", { budget: 48, every: 8 }, [], { sinks: 4, recent: 16 });
const largest: Policy = {
  ...base,
  cut: {
    ...base.cut!,
    rescore({ values, scores }) {
      const width = values.length / scores.length;
      for (let i = 0; i < scores.length; i++) scores[i] = Math.hypot(...values.subarray(i * width, (i + 1) * width));
    },
  },
};

await using session = await load({ model: fileURLToPath(new URL("../models/abacus", import.meta.url)) });
const question = "A jug holds 7 beads. A can holds 4 jugs and 2 beads. How many beads does a can hold?";
const { text, usage } = await generate(session, question, { temperature: 0, policy: largest, maxTokens: 128 }).result;
console.log(`${text}\n${Math.round(usage.kvReads)} KV reads, the full cache ${usage.fullReads}`);
const { answer } = await scale(session, question, { temperature: 1, policy: largest, width: 4, maxTokens: 128 }).result;
console.log("voted:", answer);

// Against the full cache, teacher-forced: the first 60 tokens of a text as its prompt, the others one by one.
const candidates = [
  { label: "full", policy: session.policy("full"), cr: null },
  { label: "mine", policy: largest, cr: null },
];
const ids = await session.tokenizer.encode(question.repeat(8), { special: false });
const run = await new Comparison(session, candidates, { prefix: 60 }).run(0, ids);
for (const { label, kl, cr } of summarise([run], candidates, session.config.kvHeads))
  console.log(`${label}: KL ${kl.mean.toFixed(4)} at CR ${cr.toFixed(2)}`);
