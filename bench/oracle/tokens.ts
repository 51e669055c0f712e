// Encodes and decodes for tokens.py through src/model/tokenizer.ts. A line in is JSON of an Order; a line out is JSON
// of what each text is encoded to, and each list of ids decoded to, or of why the tokenizer was refused.
import { createInterface } from "node:readline";
import { openSource } from "../../src/model/source.ts";
import { loadTokenizer } from "../../src/model/tokenizer.ts";

interface Order {
  /** With a tokenizer.json. */
  folder: string;
  texts: string[];
  ids: number[][];
  /** Encode with what the tokenizer puts around a text, too. */
  special: boolean;
}

async function answer({ folder, texts, ids, special }: Order) {
  const tokenizer = await loadTokenizer(await openSource(folder));
  const encodeAll = async (around: boolean) => {
    const lists: number[][] = [];
    for (const text of texts) lists.push(await tokenizer.encode(text, { special: around }));
    return lists;
  };
  try {
    return {
      ids: await encodeAll(false),
      around: special ? await encodeAll(true) : [],
      shown: ids.map((list) => tokenizer.decode(list, { special: true })),
      hidden: ids.map((list) => tokenizer.decode(list)),
    };
  } finally {
    tokenizer.close();
  }
}

for await (const line of createInterface({ input: process.stdin }))
  try {
    console.log(JSON.stringify(await answer(JSON.parse(line))));
  } catch (error) {
    console.log(JSON.stringify({ refused: (error as Error).message }));
  }
