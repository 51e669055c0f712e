// The models of an evaluation, as far as they are known before their weights are loaded.

import { basename, resolve } from "node:path";
import { openAdapters } from "../../model/adapters.ts";
import { loadConfig } from "../../model/load.ts";
import { openSource } from "../../model/source.ts";
import type { Trained } from "../../policy/policy.ts";
import { fingerprintOf, fingerprintOfWeights } from "../../train/disk/fingerprint.ts";

export interface ModelChoice {
  path: string;
  adapters: readonly string[];
}

export interface KnownModel extends ModelChoice {
  /** Of its folders: short, and unlike those of the others. */
  name: string;
  /** What policies ask of it. */
  trained: Trained;
  context: number; // most tokens of a chain
}

/** Files beside the weights that decide what a model reads, draws and says. */
const BESIDE = [
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
  "chat_template.json",
];

/** Each model once, whatever it is asked. Throws as `loadConfig` and `openAdapters` do. */
export async function knowModels(
  choices: readonly ModelChoice[],
  { probe, context }: { probe?: string; context?: number },
): Promise<Map<string, KnownModel>> {
  const different = [...new Map(choices.map((choice) => [keyOfModel(choice), choice]))];
  const short = different.map(([, { path, adapters }]) =>
    [path, ...adapters].map((each) => basename(resolve(each))).join("+"),
  );
  const known = new Map<string, KnownModel>();
  for (const [i, [key, choice]] of different.entries()) {
    const { gates } = await openAdapters(choice.adapters);
    const config = await loadConfig(await openSource(choice.path), gates);
    known.set(key, {
      ...choice,
      name:
        short.indexOf(short[i]) === short.lastIndexOf(short[i])
          ? short[i]
          : [choice.path, ...choice.adapters].join("+"),
      // The texts that a policy puts to a model are known once its tokenizer is: whether they can be is not asked here.
      trained: {
        layers: config.layers,
        dms: config.dms,
        probe: probe !== undefined,
        spoken: { texts: new Map(), reply: [] },
      },
      context: Math.min(context ?? config.contextLength, config.contextLength),
    });
  }
  return known;
}

export const keyOfModel = ({ path, adapters }: ModelChoice): string => JSON.stringify([path, ...adapters]);

/** sha256 of all files that make a model what it is. */
export async function fingerprintOfModel({ path, adapters }: ModelChoice, probe?: string): Promise<string> {
  const weights = [path, ...adapters, ...(probe === undefined ? [] : [probe])];
  const source = await openSource(path);
  return fingerprintOf([
    await Promise.all(weights.map(fingerprintOfWeights)),
    await Promise.all(BESIDE.map((name) => source.text(name))),
  ]);
}
