// W chains over one compressed cache, and their vote as it forms. node examples/scale.ts
import { fileURLToPath } from "node:url";
import { load, scale } from "../src/index.ts";

const model = fileURLToPath(new URL("../models/abacus-dms-8x", import.meta.url));
await using session = await load({ model });
const question = "A jug holds 7 beads. A can holds 4 jugs and 2 beads. How many beads does a can hold?";
const run = scale(session, question, { width: 8, temperature: 1, seed: 1 });
for await (const event of run)
  if (event.type === "vote") console.log(event.groups.map(({ text, count }) => `${text}: ${count}`).join("  "));
const { answer, stopped, usage } = await run.result;
console.log(`answer ${answer}; ${stopped} chains stopped early; cache ${usage.compressionRatio.toFixed(2)}x smaller`);
