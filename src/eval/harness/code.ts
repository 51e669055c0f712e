// Which code makes, reads and grades a task's problems: chains that two of them graded are not to be mixed.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { PROGRAM } from "../../base/program.ts";
import { recipeOfTask } from "../tasks/index.ts";
import { isModule, isQuestionFile } from "../tasks/open.ts";
import { parseTaskSpec } from "../tasks/recipe.ts";

/**
 * Of a module of the user's the sha256 of its text, without what it imports; of what is ours this package's version;
 * undefined of an object that came from elsewhere.
 */
export async function codeOf(spec: string): Promise<string | undefined> {
  if (isModule(spec)) {
    const text = await readFile(resolve(spec)).catch(() => null);
    return text === null ? undefined : `sha256 ${createHash("sha256").update(text).digest("hex")}`;
  }
  return isQuestionFile(spec) || isOurs(spec) ? `${PROGRAM.name} ${PROGRAM.version}` : undefined;
}

function isOurs(spec: string): boolean {
  try {
    recipeOfTask(parseTaskSpec(spec).name);
    return true;
  } catch {
    return false;
  }
}
