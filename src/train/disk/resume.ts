import { badArgument } from "../../base/errors.ts";
import { brief } from "../../model/brief.ts";
import type { Checkpoint, RunState } from "./checkpoint.ts";

/**
 * Throws `bad-argument` where a run with these settings and data cannot go on from a checkpoint: it names each setting
 * that differs, with both values.
 */
export function checkResume(checkpoint: Checkpoint, { settings, data }: Pick<RunState, "settings" | "data">): void {
  const { path, state } = checkpoint;
  const [old, now] = [flat(state.settings), flat(settings)];
  const names = [...new Set([...old.keys(), ...now.keys()])].filter((name) => old.get(name) !== now.get(name));
  const differences = names.map((name) => `${name} was ${shown(old.get(name))}, now ${shown(now.get(name))}`);
  if (state.data !== data)
    differences.push(`the data differ (fingerprint was ${state.data.slice(0, 12)}, now ${data.slice(0, 12)})`);
  if (differences.length)
    throw badArgument(
      `${path} cannot be gone on from: ${differences.join("; ")}; give what the run was begun with, or begin another in a new folder`,
    );
}

const shown = (json: string | undefined): string => (json === undefined ? "not set" : brief(JSON.parse(json)));

/** Values by dotted name, as JSON; lists are one value. */
function flat(value: object, prefix = ""): Map<string, string> {
  const all = new Map<string, string>();
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    const name = `${prefix}${key}`;
    if (typeof item === "object" && item !== null && !Array.isArray(item))
      for (const [inner, json] of flat(item, `${name}.`)) all.set(inner, json);
    else all.set(name, JSON.stringify(item));
  }
  return all;
}
