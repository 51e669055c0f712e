// Writes what stands beside the abacus model's weights and config: its tokenizer, chat template and sampling.
//   node bench/abacus-tokenizer.ts [--out models/abacus]
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { tokenizerFiles } from "../src/eval/abacus/tokenizer.ts";

const { values } = parseArgs({
  options: { out: { type: "string", default: fileURLToPath(new URL("../models/abacus", import.meta.url)) } },
});
await mkdir(values.out, { recursive: true });
for (const [name, content] of Object.entries(tokenizerFiles()))
  await writeFile(join(values.out, name), `${JSON.stringify(content, null, 1)}\n`);
