// Solutions that a model draws itself, as lines for `hyperthink retrofit --data FILE --learn assistant`: of problems as
// training has them, none held out, every token of the chain as it was drawn, right or wrong.
//   node bench/own-chains.ts COUNT [--model models/abacus] [--seed 1] [--temperature 1] > chains.jsonl
import { join } from "node:path";
import { parseArgs } from "node:util";
import pMap from "p-map";
import { seeded } from "../src/base/rng.ts";
import { abacusExample } from "../src/eval/abacus/example.ts";
import { ABACUS_TOKENS } from "../src/eval/abacus/problems.ts";
import { textOf } from "../src/eval/abacus/vocabulary.ts";
import { RACE_SAMPLING } from "../src/eval/race.ts";
import { generate } from "../src/request/generate.ts";
import { load } from "../src/request/session.ts";
import { here } from "./before.ts";

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string", default: join(here, "models/abacus") },
    seed: { type: "string", default: "1" },
    temperature: { type: "string", default: "1" },
  },
});
const count = Number(positionals[0]);
const [seed, temperature] = [args.seed, args.temperature].map(Number);
if (!(Number.isInteger(count) && count > 0)) throw new Error(`expected how many chains, got ${positionals[0]}`);

const CHAINS = 64;
const OWN = 0x0abac003; // problems of their own
await using session = await load({ model: args.model, chains: CHAINS });
let finished = 0;
async function draw(index: number): Promise<string | undefined> {
  const { prompt } = abacusExample(seeded(seed, OWN, index));
  const sampling = { ...RACE_SAMPLING, temperature, seed: index, maxTokens: ABACUS_TOKENS };
  const chain = generate(session, { raw: prompt }, sampling);
  const ids: number[] = []; // `text` would leave out </think>, which is to be learned
  for await (const { token } of chain) if (token) ids.push(token.id);
  const { finish } = await chain.result;
  if (++finished % 500 === 0) console.error(`${finished} of ${count} chains`);
  return finish === "stop" ? JSON.stringify({ prompt, completion: textOf(ids) }) : undefined;
}
const lines = await pMap(Array(count).keys(), draw, { concurrency: CHAINS });
const whole = lines.filter((line) => line !== undefined);
console.log(whole.join("\n"));
console.error(`${whole.length} chains; ${count - whole.length} found no end and were left out`);
