import { badModel } from "../base/errors.ts";
import { tensorAdvice } from "./advice.ts";
import type { ModelConfig } from "./config.ts";
import { byUsualName, EMBEDDING, entries, HEAD, isBeside, isTable, tensorTable, type Wanted } from "./names.ts";
import type { Safetensors, Tensor } from "./safetensors.ts";

/** Hears of what a user should know and what is no error. */
export type Note = (text: string) => void;

export interface Found {
  file: Safetensors;
  tensor: Tensor;
}

/**
 * Each wanted tensor (by its first name) where it lies, in the model at `path` or in the gates that `adapter` lays over
 * it. `note` hears of tensors that are there and not used. Throws one `bad-model` that tells all that does not fit: a
 * tensor nobody knows may be part of what the model computes.
 */
export function match(
  config: ModelConfig,
  files: readonly Safetensors[],
  path: string,
  note: Note,
  adapter?: string,
): Map<string, Found> {
  const found = new Map<string, Found>();
  const places = files.map((file) => ({ file, names: usualNames(file, config) }));
  const left = new Set(files.flatMap((file) => [...file.tensors.keys()].filter((name) => !isTable(name))));
  if (config.tied) for (const { names } of places) left.delete(names.get(HEAD) ?? "");
  const faults = { missing: [] as string[], twice: [] as string[], wrong: [] as string[] };
  for (const wanted of entries(tensorTable(config))) {
    const hits = places.flatMap(({ file, names }) =>
      wanted.names.flatMap((usual) => {
        const name = names.get(usual);
        return name === undefined ? [] : [{ file, tensor: file.tensors.get(name)! }];
      }),
    );
    for (const { tensor } of hits) left.delete(tensor.name);
    if (hits.length > 1) faults.twice.push(hits[0].tensor.name);
    else if (hits.length === 0 && !wanted.optional) faults.missing.push(wanted.names[0]);
    else if (hits.length === 1) {
      const wrong = misfit(hits[0].tensor, wanted);
      if (wrong) faults.wrong.push(wrong);
      found.set(wanted.names[0], hits[0]);
    }
  }
  const inside = new Set(places.flatMap(({ names }) => [...names.values()]));
  const beside = [...left].filter((name) => isBeside(name) && !inside.has(name));
  for (const name of beside) left.delete(name);
  const advice = tensorAdvice([...left]);
  if (advice.length === 0 && faults.missing.includes(HEAD)) advice.push(HEADLESS);
  const told = [
    tell("missing", faults.missing),
    tell("in two places, expected in one (the model or its adapter)", faults.twice),
    tell("wrong", faults.wrong),
    tell("unknown", [...left]),
  ].filter((text) => text !== null);
  if (told.length) {
    const form = `${config.architecture}, ${config.layers} layers`;
    const faulty = [...faults.missing, ...faults.wrong, ...left];
    const isOther =
      adapter !== undefined &&
      faults.twice.length === 0 &&
      faulty.every((name) => GATE.test(name)) &&
      [...left].every((name) => files[1].tensors.has(name));
    const what = isOther
      ? `${adapter}: its gates do not fit ${path} (${form}): expected gates that were trained for this model, in the form that their config.json says`
      : `${path}: the tensors do not fit config.json (${form})`;
    throw badModel([what, ...told, ...advice].join("; "));
  }
  if (beside.length) note(tell("tensors that a language model does not use were left out", beside)!);
  return found;
}

const GATE = /\.dms_/;

const HEADLESS =
  "it is a base model without a head: save the AutoModelForCausalLM, or set tie_word_embeddings to true in config.json " +
  "if this model's head is its embedding";

/** A tied embedding may have been saved under the head's name alone. */
function usualNames(file: Safetensors, config: ModelConfig): Map<string, string> {
  const names = byUsualName([...file.tensors.keys()]);
  const head = names.get(HEAD);
  if (config.tied && head !== undefined && !names.has(EMBEDDING)) names.set(EMBEDDING, head);
  return names;
}

/** Whether a checkpoint has a head that its embedding does not make superfluous. */
export async function hasOwnHead(file: Safetensors): Promise<boolean> {
  const names = byUsualName([...file.tensors.keys()]);
  const [head, embedding] = [HEAD, EMBEDDING].map((name) => file.tensors.get(names.get(name) ?? ""));
  return head !== undefined && embedding !== undefined && !(await file.same(head, embedding));
}

function misfit({ name, shape, dtype }: Tensor, wanted: Wanted): string | null {
  if (shape.length !== wanted.shape.length || shape.some((n, i) => n !== wanted.shape[i]))
    return `${name} (expected shape [${wanted.shape}], got [${shape}])`;
  if (!["F32", "F16", "BF16"].includes(dtype))
    return `${name} (expected F32, F16 or BF16, got ${dtype}: quantised checkpoints are not read)`;
  return null;
}

const SHOWN = 5;

/** A few of the names, or null where there are none. */
export function tell(what: string, names: readonly string[]): string | null {
  if (names.length === 0) return null;
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
  return `${what}: ${names.slice(0, SHOWN).join(", ")}${more}`;
}
