import { z } from "zod";
import { badFile } from "../../base/errors.ts";
import { Equality } from "../../scale/equality/equality.ts";
import { grade } from "../../scale/equality/grade.ts";
import type { Check } from "./check.ts";

const LONGEST = 1 << 20;

const shape = z.object({
  least: z.number().min(0).max(1).default(0.97),
  cases: z
    .array(
      z.object({
        gold: z.string().max(LONGEST),
        answer: z.string().max(LONGEST),
        equal: z.union([z.literal(0), z.literal(1)]),
        group: z.string().max(100).default(""),
        precision: z.number().int().min(0).max(15).default(6),
        allow_set_relation_comp: z.boolean().default(true),
      }),
    )
    .min(1)
    .max(100_000),
});

/**
 * Whether replies answer golds, as a grader reads both. Cases that disagree fail where fewer than `least` of all agree;
 * the last check names them in any case. Needs no model and no device.
 */
export async function* verifyEquality(folder: string, golden: Record<string, unknown>): AsyncGenerator<Check> {
  const parsed = shape.safeParse(golden);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0];
    throw badFile(`${folder}/golden.json: ${path.join(".")}: ${message}`);
  }
  const { least, cases } = parsed.data;
  const wrong: Check[] = [];
  await using equality = new Equality();
  for (const [i, { gold, answer, equal, group, precision, allow_set_relation_comp }] of cases.entries()) {
    const options = { decimals: precision, setsAsRelations: allow_set_relation_comp };
    const verdict = await grade(equality, gold, answer, options);
    const name = `case ${i}${group && ` (${group})`}`;
    const detail = `${shown(verdict.gold)} and ${shown(verdict.answer)} ${verdict.equal ? "are" : "are not"} equal: ${verdict.by}, ${verdict.why}`;
    if (verdict.equal === (equal === 1)) yield { name, status: "PASS", detail };
    else wrong.push({ name, status: "FAIL", detail: `expected ${equal ? "equal" : "not equal"}: ${detail}` });
  }
  const share = 1 - wrong.length / cases.length;
  if (share < least) yield* wrong;
  const percent = (part: number) => `${(100 * part).toFixed(1)}%`;
  yield {
    name: "cases that agree",
    status: share < least ? "FAIL" : "PASS",
    detail: [
      `${cases.length - wrong.length} of ${cases.length} (${percent(share)}), expected at least ${percent(least)}`,
      ...wrong.map(({ name, detail }) => `${name} disagrees, ${detail}`),
    ].join("; "),
  };
}

const shown = (answer: string): string => (answer === "" ? "no answer" : JSON.stringify(answer.slice(0, 80)));
