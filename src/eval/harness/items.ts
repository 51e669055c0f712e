// What a task gave as its problems, before a model is asked any: a task of one's own may give anything.

import { z } from "zod";
import { badFile } from "../../base/errors.ts";
import { visible } from "../../base/visible.ts";
import { brief } from "../../model/brief.ts";
import type { Asked, Task } from "../tasks/task.ts";
import { MOST_NAME } from "./record.ts";

const name = z.string().min(1).max(MOST_NAME);
const item = z.looseObject({ id: name, group: name.optional() });

const SHAPES: Record<Task["kind"], z.ZodType> = {
  vote: item,
  loglikelihood: item
    .extend({ context: z.string(), choices: z.array(z.string()).min(1), right: z.int().min(0) })
    .refine(({ choices, right }) => right < choices.length, { path: ["right"], error: "expected a choice's index" }),
  perplexity: item.extend({ text: z.string() }),
};

/** Throws `bad-file` for what is no list of problems with what their kind needs, each with an id of its own. */
export function checkItems(spec: string, kind: Task["kind"], items: unknown): void {
  if (!Array.isArray(items) || items.length === 0)
    throw badFile(
      `task ${spec}: expected a list of problems, got ${Array.isArray(items) ? "an empty one" : brief(items)}`,
    );
  const ids = new Set<string>();
  for (const [i, each] of items.entries()) {
    const fault = SHAPES[kind].safeParse(each).error?.issues[0];
    if (fault)
      throw badFile(
        `task ${spec}: problem ${i} of its list: ${visible(fault.path.join(".") || "problem")}: ${fault.message}`,
      );
    if (ids.has(each.id))
      throw badFile(`task ${spec}: expected problems with an id each, got ${visible(each.id)} twice`);
    ids.add(each.id);
  }
}

/** Throws `bad-file` for what a model cannot be asked. */
export function checkAsked(spec: string, id: string, asked: Asked): Asked {
  const { prompt, maxTokens } = asked ?? {};
  const isPrompt = typeof prompt === "string" || (typeof prompt === "object" && prompt !== null);
  if (!isPrompt || !(Number.isInteger(maxTokens) && maxTokens >= 1))
    throw badFile(
      `task ${spec}: expected problem ${visible(id)} to be asked with a prompt and maxTokens from 1, got prompt ${brief(prompt)}, maxTokens ${brief(maxTokens)}`,
    );
  return asked;
}
