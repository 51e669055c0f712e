// A runner over the tiny model, which has what every policy asks for: gates, a KVzap
// probe, a request that KVzip repeats.
import { seeded } from "../../src/base/rng.ts";
import { type Device, PAGE_FORMATS, type PageFormat } from "../../src/device/device.ts";
import { Runner, type RunnerOptions } from "../../src/engine/runner.ts";
import type { Model } from "../../src/model/forward.ts";
import { makePolicy, recipes } from "../../src/policy/index.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { parseSpec } from "../../src/policy/spec.ts";
import { type Raw, type TinyOptions, tinyModel, tinyRaw } from "./tiny.ts";

/** What makes a policy for a model. */
export type PolicyOf = (model: Parameters<typeof makePolicy>[1]) => Policy;

/** A policy written as users write it. */
export const spec =
  (text: string): PolicyOf =>
  (model) => {
    const { name, options } = parseSpec(text);
    return makePolicy(name, model, options);
  };

/** What any text that a policy puts to the model is encoded to, and the reply's opening. */
export const speaking = (text: readonly number[], reply: readonly number[]) => ({
  texts: new Map(recipes.flatMap(({ texts = [] }) => texts).map((said) => [said, text])),
  reply,
});
const SPOKEN = speaking([7, 8, 9], []);

export interface RunnerSetup extends Partial<RunnerOptions> {
  /** Of the pool, in place of `kvBytes`. */
  pages?: number;
  raw?: Raw;
  spoken?: ReturnType<typeof speaking>;
}

/** The model, whose layers all have a linear probe. */
function probedModel(device: Device, tiny: TinyOptions, raw: Raw): Model {
  const model = tinyModel(device, tiny, raw);
  const { kvHeads, hidden } = model.config;
  const rng = seeded(tiny.seed + 1);
  for (const layer of model.weights.layers) {
    const out = device.matrix(kvHeads, hidden, "f32");
    const values = Float32Array.from({ length: kvHeads * hidden }, () => rng.gaussian() / Math.sqrt(hidden));
    device.writeRows(out, 0, values);
    layer.probe = { inner: null, innerBias: null, width: 0, out, outBias: null };
  }
  return model;
}

const formatOf = (kv: RunnerOptions["kv"]): PageFormat => (typeof kv === "string" ? PAGE_FORMATS[kv] : kv);

/** What policies are told of that model. */
const trained = ({ config }: Model, spoken: RunnerSetup["spoken"]) => ({ ...config, probe: true, spoken });

/** A runner with a policy to open sets under. */
export class TinyRunner extends Runner {
  policy: Policy;

  constructor(device: Device, model: Model, policy: Policy, options: RunnerOptions) {
    super(device, model, options);
    this.policy = policy;
  }

  /** A set whose prompt is all that is read, where nothing else is said. */
  open(prompt = this.options.contextLength, tokens = prompt): number {
    return this.sets.take(this.policy, prompt, tokens);
  }
}

export function tinyRunner(
  device: Device,
  policy: PolicyOf,
  tiny: TinyOptions,
  { pages, raw = tinyRaw(tiny), spoken = SPOKEN, ...options }: RunnerSetup = {},
): TinyRunner {
  const model = probedModel(device, tiny, raw);
  const { kv = "f32", chunk = 16, chains = 4, sets = chains + 2 } = options;
  return new TinyRunner(device, model, policy(trained(model, spoken)), {
    kv,
    kvBytes: pages === undefined ? 4 << 20 : pages * formatOf(kv).bytes(model.config.headDim),
    chains,
    sets,
    contextLength: 512,
    chunk,
    rows: chunk + sets + 16,
    logitRows: sets + 1,
    samplers: 32,
    ...options,
  });
}

/** A policy for the model of a runner that `tinyRunner` made. */
export const policyFor = ({ model }: Runner, policy: PolicyOf): Policy => policy(trained(model, SPOKEN));

/** Live key positions of every lane of a set. */
export async function liveSets({ device, table }: Runner, set: number): Promise<number[][]> {
  return (await device.live(table.device, table.lanes(set))).map((positions) => [...positions]);
}
