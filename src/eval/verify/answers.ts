import { z } from "zod";
import { badFile } from "../../base/errors.ts";
import { type Extraction, extractAnswer } from "../../scale/answer.ts";
import { answerKey, LONGEST_ANSWER } from "../../scale/key.ts";
import type { Check } from "./check.ts";

const shape = z.object({
  cases: z
    .array(
      z.object({
        text: z.string().max(1 << 20),
        finished: z.boolean(),
        accept: z.array(z.string().max(LONGEST_ANSWER)).min(1).max(64),
      }),
    )
    .min(1)
    .max(100_000),
});

/** "own": any answer, as its key is nobody else's to say; "own key, not 35": any but that one. */
const OWN = /^own\b(?:[^\d]*\bnot (.+))?/;

/** What replies answer, or that they abstain. Needs no model and no device. */
export async function* verifyAnswers(folder: string, golden: Record<string, unknown>): AsyncGenerator<Check> {
  const parsed = shape.safeParse(golden);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0];
    throw badFile(`${folder}/golden.json: ${path.join(".")}: ${message}`);
  }
  for (const [i, { text, finished, accept }] of parsed.data.cases.entries()) {
    const got = extractAnswer(text, { thinking: null, finished });
    const ok = accept.some((value) => accepts(value, got));
    yield {
      name: `case ${i}: ${JSON.stringify(text.slice(-60))}`,
      status: ok ? "PASS" : "FAIL",
      detail: ok ? shown(got) : `expected ${accept.join(" | ").slice(0, 200)}, got ${shown(got)}`,
    };
  }
}

function accepts(value: string, got: Extraction): boolean {
  if (value === "ABSTAIN" || got.kind === "abstain") return value === "ABSTAIN" && got.kind === "abstain";
  const own = OWN.exec(value);
  return own ? own[1] === undefined || answerKey(own[1]) !== got.key : answerKey(value) === got.key;
}

const shown = (got: Extraction): string =>
  got.kind === "answer" ? `${got.source} ${got.key.slice(0, 100)}` : `abstains (${got.reason})`;
