// Streams one continuation. node examples/generate.ts
import { fileURLToPath } from "node:url";
import { generate, load } from "../src/index.ts";

const model = fileURLToPath(new URL("../models/abacus", import.meta.url));
await using session = await load({ model });
const question = "A jug holds 7 beads. A can holds 4 jugs and 2 beads. How many beads does a can hold?";
const generation = generate(session, question, { temperature: 0 });
for await (const { text } of generation) process.stdout.write(text);
const { tokens, kvReads, usage } = await generation.result;
console.log(`\n${tokens} tokens, ${Math.round(kvReads)} KV reads, ${usage.peakBytes} bytes of pages`);
