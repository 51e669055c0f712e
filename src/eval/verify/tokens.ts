import { z } from "zod";
import { badFile } from "../../base/errors.ts";
import { openSource } from "../../model/source.ts";
import { loadTokenizer } from "../../model/tokenizer.ts";
import type { Check } from "./check.ts";

const shape = z.object({
  cases: z
    .array(z.object({ text: z.string().max(1 << 24), ids: z.array(z.int().min(0)).max(1 << 24) }))
    .min(1)
    .max(100_000),
});

/** Ids of texts, none added, by the tokenizer beside golden.json. Needs no model and no device. */
export async function* verifyTokens(folder: string, golden: Record<string, unknown>): AsyncGenerator<Check> {
  const parsed = shape.safeParse(golden);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0];
    throw badFile(`${folder}/golden.json: ${path.join(".")}: ${message}`);
  }
  const tokenizer = await loadTokenizer(await openSource(folder));
  try {
    for (const [i, { text, ids }] of parsed.data.cases.entries()) {
      const got = await tokenizer.encode(text, { special: false });
      const differs = Array.from({ length: Math.max(ids.length, got.length) }).findIndex((_, j) => ids[j] !== got[j]);
      const near = (all: readonly number[]) => `[${all.slice(differs, differs + 8).join(", ")}]`;
      yield {
        name: `case ${i}: ${JSON.stringify(text.slice(0, 60))}`,
        status: differs < 0 ? "PASS" : "FAIL",
        detail: differs < 0 ? `${ids.length} ids` : `from id ${differs} on: expected ${near(ids)}, got ${near(got)}`,
      };
    }
  } finally {
    tokenizer.close();
  }
}
