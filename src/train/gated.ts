// A model made ready for a retrofit: its parameters with gates, what of them learns, and who teaches.
import { badArgument } from "../base/errors.ts";
import type { Device } from "../device/device.ts";
import { openAdapters, openLoras } from "../model/adapters.ts";
import { type ModelConfig, parseConfig } from "../model/config.ts";
import type { Model } from "../model/forward.ts";
import { loadConfig } from "../model/load.ts";
import type { Note } from "../model/match.ts";
import { RECIPE } from "../model/recipe.ts";
import { Safetensors } from "../model/safetensors.ts";
import { openSource, type Source } from "../model/source.ts";
import { formKeys, settledForm } from "./gateForm.ts";
import { loadParameters } from "./load.ts";
import { startLowRank } from "./lowRankStart.ts";
import { isGate, type Parameter, type Parameters } from "./parameters.ts";
import type { GateStart, RetrofitPlan, RetrofitSettings } from "./retrofitOptions.ts";

export interface Gated {
  parameters: Parameters;
  teacher: Model<Parameter> | null;
}

/** What a retrofit begins from, as files and settings say it. */
export interface Origin {
  source: Source;
  config: ModelConfig; // of the files
  gated: ModelConfig; // with gates
  settings: RetrofitSettings; // with what gates that are there already say
  gates?: Source;
  loras: readonly Source[]; // merged
  earlier: readonly Source[]; // a LoRA that learns on
  teacher: { source: Source; config: ModelConfig } | null; // another model that teaches
}

/**
 * Reads what files of models say. Throws `bad-argument` for gates, a LoRA or a teacher that do not fit what was asked,
 * as `openSource` and `loadConfig` for folders that are no model.
 */
export async function originOf(options: RetrofitPlan): Promise<Origin> {
  const source = await openSource(options.model);
  const earlier = await openAdapters(options.earlier ?? []);
  const merged = await openAdapters(options.adapters);
  const folders = [...(earlier.gates ? [options.earlier!] : []), ...(merged.gates ? [merged.gates.path] : [])];
  if (folders.length > 1) throw badArgument(`${folders.join(" and ")} have gates each: expected those of one`);
  const gates = earlier.gates ?? merged.gates;
  const config = await loadConfig(source, gates, options.note);
  const { dms } = config;
  const holder = gates ?? source;
  const held = (dms ? await holder.json("config.json") : null) as Record<string, unknown> | null;
  if (held?.dms_disable_eviction === true)
    throw badArgument(
      `${holder.path}: config.json says dms_disable_eviction, with which gates never open: set it false`,
    );
  if (options.start && dms)
    throw badArgument(
      `--init kvzap: expected a model without gates, ${holder.path} has them already: leave out --init`,
    );
  const found = dms && { path: holder.path, dms, json: held, nominal: await nominalOf(holder) };
  const settings = settledForm(options.retrofit, found);
  const json = await source.json("config.json");
  const gated = parseConfig({ ...json, ...formKeys(settings) });
  gated.tied = config.tied;
  if (earlier.loras.length > 0 && settings.train !== "lora")
    throw badArgument(
      `${earlier.loras[0].path} has a LoRA, which learns on by --train lora alone, got ${settings.train}`,
    );
  const teacher = options.teacher === null ? null : await teacherOf(await openSource(options.teacher), gated);
  return { source, config, gated, settings, gates, loras: merged.loras, earlier: earlier.loras, teacher };
}

/** The nominal ratio that an earlier run of ours ended at: what a ramp goes on from. */
async function nominalOf(source: Source): Promise<number | null> {
  const recipe = (await source.json(RECIPE)) as { reached?: { targetCr?: unknown } } | null;
  const cr = recipe?.reached?.targetCr;
  return typeof cr === "number" && cr >= 1 && cr < Infinity ? cr : null;
}

/**
 * Puts the parameters on the device: loads them, begins gates and LoRA, and says what learns. `staging` opens another
 * device, which `loadParameters` closes. `start`: gates to begin with; where the run has a checkpoint, that has them.
 */
export async function makeGated(
  device: Device,
  staging: () => Device,
  origin: Origin,
  start: GateStart | null,
  { note, start: maker, settings: { seed } }: RetrofitPlan,
): Promise<Gated> {
  const { source, config, gated, settings, gates, loras } = origin;
  const { train, rank, loraScale } = settings;
  const load = (own: boolean) =>
    loadParameters(device, staging(), config, source, {
      ...{ adapter: gates, loras, note },
      ...(own ? { gated, biased: maker !== null } : {}),
    });
  const parameters = await load(true);
  if (start) await startGates(parameters, start);
  if (settings.gates === "borrowed" && !config.dms) await closeBorrowed(parameters);
  for (const p of parameters.all) if (train === "full" || isGate(p)) parameters.learn(p);
  if (train === "lora") {
    await parameters.addLowRank(rank, loraScale);
    await startLowRank(parameters, seed);
    if (origin.earlier.length > 0) await goOnWith(parameters, origin, note ?? (() => {}));
  }
  if (settings.loss.kind !== "distill") return { parameters, teacher: null };
  if (origin.teacher !== null) {
    const { source: other, config: its } = origin.teacher;
    return { parameters, teacher: await loadParameters(device, staging(), its, other) };
  }
  const weights = train === "full" ? (await load(false)).weights : parameters.untouched();
  return { parameters, teacher: { config, weights } };
}

/** Another model that teaches. Throws `bad-argument` where it is not of the student's form. */
async function teacherOf(source: Source, student: ModelConfig): Promise<Origin["teacher"]> {
  const config = await loadConfig(source);
  const form = ({ dms, normEps, tied, contextLength, eosIds, bosId, frequencies, ...sizes }: ModelConfig) => ({
    ...sizes,
    borrowed: dms?.borrowed ?? false,
    frequencies: [...frequencies],
  });
  const [its, own] = [form(config), form(student)];
  for (const name of Object.keys(own) as (keyof typeof own)[]) {
    const [expected, got] = [own[name], its[name]].map((value) => JSON.stringify(value));
    if (expected !== got)
      throw badArgument(
        `--teacher ${source.path}: expected a model of the student's form, whose ${name} is ${expected.slice(0, 80)}, got ${got.slice(0, 80)}`,
      );
  }
  return { source, config };
}

async function startGates(parameters: Parameters, { proj, bias }: GateStart): Promise<void> {
  for (const [l, { alpha }] of parameters.weights.layers.entries()) {
    if (!alpha?.bias) throw new Error(`layer ${l}: expected gates with a bias to begin with`);
    await parameters.write(alpha.proj, proj[l]);
    await parameters.write(parameters.vector(alpha.bias), bias[l]);
  }
}

/** Borrowed channels begin as 0, so that gates begin closed; the model learns to do without them. */
async function closeBorrowed(parameters: Parameters): Promise<void> {
  const { config, weights } = parameters;
  const { kvHeads, queryHeads, headDim } = config;
  const channels = Array.from({ length: kvHeads }, (_, h) => (h * queryHeads * headDim) / kvHeads + headDim - 1);
  for (const { q, qBias } of weights.layers)
    for (const p of [q, ...(qBias ? [parameters.vector(qBias)] : [])]) {
      const values = await parameters.read(p);
      for (const row of channels) values.fill(0, row * p.cols, (row + 1) * p.cols);
      await parameters.write(p, values);
    }
}

/** The factors of an earlier LoRA, where it has this one's form. */
async function goOnWith(parameters: Parameters, { source, config, earlier }: Origin, note: Note): Promise<void> {
  await using base = await Safetensors.open(source);
  for (const file of await openLoras(earlier, config, base, note)) {
    await using lora = file;
    for (const p of parameters.all) {
      if (!p.low) continue;
      const part = lora.parts.find(({ wanted }) => wanted.names[0] === p.name);
      const { rank, scale } = p.low;
      if (!part || part.rank !== rank || Math.abs(part.scale - scale) > 1e-6)
        throw badArgument(
          `${lora.path}: expected a LoRA of rank ${rank} and scale ${scale} on ${p.name} to learn on with, got ` +
            (part ? `rank ${part.rank} and scale ${part.scale}: give those by --rank and --lora-alpha` : "none"),
        );
      const { a, b } = await lora.read(part);
      await parameters.write(p.low.a, a);
      await parameters.write(p.low.b, b);
    }
  }
}
