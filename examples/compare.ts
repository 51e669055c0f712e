// The same question under each policy: what the cache kept, and what that cost. node examples/compare.ts
import { fileURLToPath } from "node:url";
import { generate, load } from "../src/index.ts";

const model = fileURLToPath(new URL("../models/abacus-dms-4x", import.meta.url));
await using session = await load({ model });
const question = "A jug holds 7 beads. A can holds 4 jugs and 2 beads. How many beads does a can hold?";
for (const options of [{ policy: "full" }, { policy: "dms" }, { policy: "tova", budget: 48 }]) {
  const { text, kvReads, peakKeys } = await generate(session, question, { temperature: 0, ...options }).result;
  const last = text.trim().split("\n").at(-1);
  console.log(
    `${options.policy.padEnd(5)} ${last?.padEnd(12)} ${Math.round(kvReads)} KV reads, at most ${Math.round(peakKeys)} keys a lane`,
  );
}
