import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { badFile } from "../../base/errors.ts";
import { exactJson } from "../../model/template/exact.ts";
import { Template } from "../../model/template/template.ts";
import type { Check } from "./check.ts";

interface Case {
  template: string;
  variables: Record<string, unknown>;
  want: string;
}

const MOST_CASES = 100_000;

/**
 * Prompts that chat templates make against jinja2's, byte for byte: a check for each
 * template, and one for each that differs.
 */
export async function* verifyTemplates(folder: string, golden: Record<string, unknown>): AsyncGenerator<Check> {
  const { templates, cases } = await read(folder);
  const now = golden.now === undefined ? new Date() : new Date(String(golden.now));
  if (Number.isNaN(now.getTime()))
    throw badFile(`${folder}/golden.json: now is ${JSON.stringify(golden.now)}; expected a date`);
  const numbered = cases.map((item, i) => ({ ...item, i }));
  const byTemplate = Map.groupBy(numbered, ({ template }) => template);
  for (const [name, source] of Object.entries(templates)) {
    const own = byTemplate.get(name) ?? [];
    let equal = 0;
    for (const { variables, want, i } of own) {
      const difference = compare(source, variables, now, want);
      if (difference === null) equal++;
      else yield { name: `case ${i}: ${name}`, status: "FAIL", detail: difference };
    }
    yield {
      name,
      status: own.length === 0 ? "UNRUN" : equal === own.length ? "PASS" : "FAIL",
      detail: own.length === 0 ? "no case uses it" : `${equal} of ${own.length} prompts equal`,
    };
  }
}

/** What differs, or null. */
function compare(source: string, variables: Record<string, unknown>, now: Date, want: string): string | null {
  let got: string;
  try {
    got = new Template(source).render(variables, now);
  } catch (error) {
    return `refused: ${(error as Error).message}`;
  }
  if (got === want) return null;
  let at = 0;
  while (got[at] === want[at]) at++;
  const show = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 20), at + 60));
  return `at character ${at}: expected ${show(want)}, got ${show(got)}`;
}

/** The file once more: numbers that are written as floats stay floats. */
async function read(folder: string): Promise<{ templates: Record<string, string>; cases: Case[] }> {
  const file = join(folder, "golden.json");
  const { templates, cases } = exactJson(await readFile(file, "utf8")) as Record<string, unknown>;
  const wrong = (what: string) => badFile(`${file}: expected ${what}`);
  if (!isObject(templates) || !Object.values(templates).every((source) => typeof source === "string"))
    throw wrong("templates, texts by name");
  if (!Array.isArray(cases) || cases.length === 0 || cases.length > MOST_CASES)
    throw wrong(`cases, a list of 1 to ${MOST_CASES}`);
  for (const [i, item] of cases.entries())
    if (
      !isObject(item) ||
      typeof item.template !== "string" ||
      !Object.hasOwn(templates, item.template) ||
      !isObject(item.variables) ||
      typeof item.want !== "string"
    )
      throw wrong(`case ${i} with the name of a template, variables and want`);
  return { templates: templates as Record<string, string>, cases: cases as Case[] };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
