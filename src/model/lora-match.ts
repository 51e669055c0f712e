import { badModel, type HyperthinkError, unsupported } from "../base/errors.ts";
import { MERGE } from "./advice.ts";
import { brief } from "./brief.ts";
import type { ModelConfig } from "./config.ts";
import type { LoraConfig } from "./lora-config.ts";
import { type Note, tell } from "./match.ts";
import { tensorTable, type Wanted } from "./names.ts";
import type { Safetensors, Tensor } from "./safetensors.ts";

/** A LoRA of one matrix as the headers tell it. */
export interface LoraPart {
  wanted: Wanted;
  rank: number;
  scale: number;
  a: Tensor; // lora_A [rank, in], or lora_embedding_B [in, rank]
  b: Tensor; // lora_B [out, rank], or lora_embedding_A [rank, out]
}

/** The matrices that a LoRA may touch, by the names that PEFT's patterns and files have for their modules. */
export function loraTargets(config: ModelConfig): Map<string, Wanted> {
  const { embed, head, layers } = tensorTable(config);
  // A tied matrix stands in two places, of which PEFT changes one.
  const ends = config.tied ? [] : [embed, head];
  const inner = layers.flatMap(({ q, k, v, o, gate, up, down }) => [q, k, v, o, gate, up, down]);
  const all = [...ends, ...inner].filter((wanted) => wanted !== null);
  return new Map(all.map((wanted) => [wanted.names[0].replace(/\.weight$/, ""), wanted]));
}

/** Names of a linear module's two tensors as PEFT saves them. */
export const loraNames = (module: string): { a: string; b: string } => ({
  a: `base_model.model.${module}.lora_A.weight`,
  b: `base_model.model.${module}.lora_B.weight`,
});

/** The model that a LoRA is laid over: its own tensors are `base`. */
export interface Over {
  config: ModelConfig;
  base: Safetensors;
  note: Note;
}

/** `model.` is missing where the decoder itself was trained, and other words come from wrappers of training. */
const NAME =
  /^(?<before>(?:(?:base_model|model|module|_orig_mod)\.)*)(?<module>(?:layers\.\d+\.\w+\.\w+)|embed_tokens|lm_head)\.(?<kind>lora_(?:embedding_)?[AB])(?:\.(?!weight$)(?<adapter>[^.]+))?(?<weight>\.weight)?$/;

/** What is wrong with an adapter's tensors, by their names. */
interface Faults {
  unknown: string[];
  twice: string[];
  half: string[];
  wrong: string[];
}

/** Both halves of a module's LoRA, and what PEFT's patterns call the module. */
interface Halves {
  module: string;
  a?: Tensor;
  b?: Tensor;
}

/**
 * The two tensors of each module where they lie. Throws one `bad-model` that tells all that does not fit, `unsupported`
 * for an embedding that is also the head.
 */
export async function matchLora(
  file: Safetensors,
  path: string,
  settings: LoraConfig,
  over: Over,
): Promise<LoraPart[]> {
  const { config, note } = over;
  const targets = loraTargets(config);
  const faults: Faults = { unknown: [], twice: [], half: [], wrong: [] };
  const { modules, adapters } = await pair(file, path, targets, over, faults);
  const parts: LoraPart[] = [];
  for (const [usual, { module, a, b }] of modules) {
    const wanted = targets.get(usual)!;
    const { rank, scale } = settings.of(module);
    if (!a || !b) faults.half.push((a ?? b)!.name);
    else {
      faults.wrong.push(...misfits(a, [rank, wanted.shape[1]]), ...misfits(b, [wanted.shape[0], rank]));
      parts.push({ wanted, rank, scale, a, b });
    }
  }
  const told = [
    tell("unknown", faults.unknown),
    tell("the same module twice", faults.twice),
    tell("without its other half", faults.half),
    tell("wrong", faults.wrong),
    adapters.size > 1
      ? tell(
          "several adapters, expected one",
          Array.from(adapters, (name) => name || "(no name)"),
        )
      : null,
    modules.size === 0 ? "found none" : null,
    ...advice(faults.unknown),
    settings.base === null ? null : `it was made for ${brief(settings.base)}: is that this model?`,
  ].filter((text) => text !== null);
  if (modules.size === 0 || adapters.size > 1 || Object.values(faults).some((names) => names.length > 0))
    throw badModel(
      `${path}: expected tensors lora_A and lora_B for modules of this model (${config.architecture}, ${config.layers} layers); ${told.join("; ")}`,
    );
  const bare = [...targets.keys()].filter(
    (module) => !modules.has(module) && settings.targets.some((end) => `.${module}`.endsWith(`.${end}`)),
  );
  if (bare.length > 0)
    note(`${path}: ${tell("modules that target_modules names, but no tensors, stay as they are", bare)}`);
  return parts;
}

/** Tensors by the module that they belong to, and the adapters' names in them. */
async function pair(
  file: Safetensors,
  path: string,
  targets: ReadonlyMap<string, Wanted>,
  { config: { tied }, base }: Over,
  faults: Faults,
): Promise<{ modules: Map<string, Halves>; adapters: Set<string> }> {
  const modules = new Map<string, Halves>();
  const adapters = new Set<string>();
  for (const tensor of file.tensors.values()) {
    const { before, module, kind, adapter = "", weight } = NAME.exec(tensor.name)?.groups ?? {};
    const usual = module === "lm_head" ? module : `model.${module}`;
    const embedding = module === "embed_tokens";
    if (tied && (embedding || module === "lm_head")) throw ambiguous(path, tensor.name);
    if (!targets.has(usual) || embedding !== kind.includes("embedding") || embedding === (weight !== undefined)) {
      if (!(await isOwn(tensor, file, base, tied))) faults.unknown.push(tensor.name);
      continue;
    }
    adapters.add(adapter);
    const halves = modules.get(usual) ?? { module: before.replace(/^base_model\.model\./, "") + module };
    const half = kind.endsWith("A") === embedding ? "b" : "a";
    if (halves[half]) faults.twice.push(`${halves[half].name} and ${tensor.name}`);
    halves[half] = tensor;
    modules.set(usual, halves);
  }
  return { modules, adapters };
}

const ambiguous = (path: string, name: string): HyperthinkError =>
  unsupported(`${path}: ${name}: this model's head is its embedding, of which PEFT changes one: ${MERGE}`);

/** An embedding's halves lie transposed: PEFT looks its columns up. */
export const isTransposed = ({ name }: Tensor): boolean => name.includes(".lora_embedding_");

function misfits(tensor: Tensor, [rows, cols]: readonly [number, number]): string[] {
  const { name, shape, dtype } = tensor;
  const expected = isTransposed(tensor) ? [cols, rows] : [rows, cols];
  if (shape.join() !== expected.join()) return [`${name} (expected shape [${expected}], got [${shape}])`];
  if (!["F32", "F16", "BF16"].includes(dtype)) return [`${name} (expected F32, F16 or BF16, got ${dtype})`];
  return [];
}

/** PEFT saves an embedding or a head whole beside its LoRA: no harm where it is the model's own. */
async function isOwn(tensor: Tensor, file: Safetensors, base: Safetensors, tied: boolean): Promise<boolean> {
  const end = WHOLE.exec(tensor.name)?.[1];
  if (end === undefined) return false;
  for (const own of base.tensors.values()) {
    const other = WHOLE.exec(own.name)?.[1];
    if (other !== undefined && (tied || other === end) && (await file.same(tensor, own, base))) return true;
  }
  return false;
}

const WHOLE = /(?:^|\.)(embed_tokens|lm_head)(?:\.base_layer)?\.weight$/;

const KNOWN: readonly (readonly [RegExp, string])[] = [
  [/\.dms_proj_alpha/, "gates belong in model.safetensors, with the dms_* keys in config.json"],
  [/\.lora_magnitude_vector/, `DoRA, which is not run: ${MERGE}`],
  [/\.bias$/, `biases are not laid over: ${MERGE}`],
  [WHOLE, `a whole embedding or head that is not the model's own: ${MERGE}`],
  [/\.(modules_to_save|base_layer|original_module|token_adapter)\b/, `whole modules that were trained: ${MERGE}`],
];
const advice = (names: readonly string[]): string[] =>
  KNOWN.filter(([pattern]) => names.some((name) => pattern.test(name))).map(([, text]) => text);
