// The engine over a model as training saves it.
import type { Device } from "../../src/device/device.ts";
import { loadConfig, loadWeights } from "../../src/model/load.ts";
import { openSource } from "../../src/model/source.ts";
import { makePolicy } from "../../src/policy/index.ts";
import { saveModel } from "../../src/train/export.ts";
import type { Parameters } from "../../src/train/parameters.ts";
import { withFolder } from "./checkpoint.ts";
import { TinyRunner } from "./runner.ts";
import type { Form } from "./student.ts";

/** Room for one set of so many tokens, which may be fed in one pass; logits of all rows may be asked for. */
export async function savedRunner(
  device: Device,
  parameters: Parameters,
  { json }: Form,
  policy: "full" | "dms",
  tokens: number,
): Promise<TinyRunner> {
  return withFolder({}, async (folder) => {
    await saveModel(device, parameters.all, folder, json, { from: null, dtype: "F32" });
    const source = await openSource(folder);
    const config = await loadConfig(source);
    const weights = await loadWeights(device, config, source, { weights: "f32" });
    const told = { ...config, probe: false, spoken: { texts: new Map(), reply: [] } };
    return new TinyRunner(device, { config, weights }, makePolicy(policy, told, {}), {
      ...{ kv: "f32", kvBytes: 4 << 20, chains: 1, sets: 1, contextLength: 512, samplers: 1 },
      ...{ chunk: tokens, rows: tokens, logitRows: tokens },
    });
  });
}

/** log of the probability that a row of logits gives a token. */
export function logProbability(logits: ArrayLike<number>, token: number): number {
  const all = Array.from(logits);
  const most = Math.max(...all);
  return logits[token] - most - Math.log(all.reduce((sum, x) => sum + Math.exp(x - most), 0));
}
