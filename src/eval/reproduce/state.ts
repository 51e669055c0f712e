// What a reproduction remembers beside its records: what it is of, what was calibrated, and how fast it went.

import { join } from "node:path";
import { badArgument, badFile } from "../../base/errors.ts";
import { readJson } from "../../model/source.ts";
import { takeFolder, writeJsonAtomic } from "../../train/disk/aside.ts";
import type { Calibrated } from "./calibrate.ts";

const FILE = "reproduce.json";
const VERSION = 1;

/** Of a group of policies that were brought to one ratio. */
export interface CalibratedGroup {
  target: number;
  found: Record<string, Calibrated & { policy: string; tokens: number }>;
  /** That ran at no setting, and why not. */
  failed: Record<string, string>;
}

/** A model under its own policy on the problems of the calibration. */
export interface Measured {
  cr: number;
  live: number; // keys, a mean over steps
  tokens: number[]; // of each chain
}

export interface State {
  version: typeof VERSION;
  /** What must stay the same; of the problems of the calibration, those that it was begun with are meant. */
  of: Record<string, string | number | null> & { calibration: number };
  measured: Record<string, Measured>;
  groups: Record<string, CalibratedGroup>;
  /** Tokens drawn so far, and seconds of all runs. */
  tokens: number;
  seconds: number;
}

/**
 * Opens or begins. A calibration goes on with the problems that it was begun with: found anew, its settings would not
 * be those of the runs. Throws `bad-argument` where the folder is of another reproduction, `bad-file`.
 */
export async function openState(out: string, of: State["of"]): Promise<State> {
  await takeFolder(out, /^(reproduce\.json|calibration)/, "a reproduction");
  const file = join(out, FILE);
  const found = (await readJson(file)) as State | null;
  if (found === null) return { version: VERSION, of, measured: {}, groups: {}, tokens: 0, seconds: 0 };
  const isObject = (part: unknown) => typeof part === "object" && part !== null;
  const sound =
    found.version === VERSION &&
    [found.of, found.measured, found.groups].every(isObject) &&
    Number.isInteger(found.of.calibration) &&
    found.of.calibration >= 1 &&
    [found.tokens, found.seconds].every((amount) => typeof amount === "number" && amount >= 0);
  if (!sound) throw badFile(`${file}: expected version ${VERSION} of a reproduction's state`);
  const same: State["of"] = { ...of, calibration: found.of.calibration };
  const other = Object.keys({ ...found.of, ...same }).filter((name) => found.of[name] !== same[name]);
  if (other.length > 0)
    throw badArgument(
      `${out} is of another reproduction: ${other.map((name) => `${name} was ${found.of[name]}, now ${same[name]}`).join("; ")}; give what it was begun with, or another --out`,
    );
  return found;
}

export const saveState = (out: string, state: State): Promise<void> => writeJsonAtomic(join(out, FILE), state);
