import { join } from "node:path";
import type { ModelConfig } from "../../model/config.ts";
import type { Session } from "../../request/session.ts";
import { makeFolder, writeJsonAtomic } from "../disk/aside.ts";
import { type SavedTensor, saveSafetensors } from "../disk/save.ts";
import { type Fit, type FitData, type FitOptions, fitSurrogate } from "./fit.ts";
import { linearLearner, mlpLearner } from "./learner.ts";
import { MLP } from "./mlp.ts";
import type { Linear } from "./ridge.ts";
import type { Surrogate } from "./surrogate.ts";

export interface KvzapOptions extends FitOptions {
  surrogate: "linear" | "mlp";
  /** Of an MLP's first weights and of what it reads when. */
  seed: number;
}

/**
 * Fits a KVzap probe (arXiv 2601.07891) for the model of a session that does nothing else: it predicts log scores from
 * what the attention is handed. Memory of the fit is freed with the session. Throws as `fitSurrogate`.
 */
export function fitKvzap(session: Session, data: FitData, options: KvzapOptions): Promise<Fit> {
  const { config, device } = session;
  const { surrogate, prompts, length, seed } = options;
  return fitSurrogate(session, "attention", data, options, () =>
    surrogate === "linear" ? linearLearner(config) : mlpLearner(device, config, prompts, length, { ...MLP, seed }),
  );
}

/** A folder in NVIDIA's layout (nvidia/KVzap-*), as `--probe` takes it: float32. Throws as `saveSafetensors`. */
export async function saveKvzap(folder: string, config: ModelConfig, { layers }: Surrogate): Promise<void> {
  const tensors = layers.flatMap(({ inner, out }, l) =>
    inner ? [...tensorsOf(`layers.${l}.0`, inner), ...tensorsOf(`layers.${l}.2`, out)] : tensorsOf(`layers.${l}`, out),
  );
  await makeFolder(folder);
  await saveSafetensors(join(folder, "model.safetensors"), tensors);
  await writeJsonAtomic(join(folder, "config.json"), {
    architectures: ["KVzapModel"],
    model_type: "kvzap",
    input_dim: config.hidden,
    output_dim: config.kvHeads,
    n_modules: layers.length,
    hidden_dim: layers[0].inner?.bias.length ?? null,
    dtype: "float32",
  });
}

function tensorsOf(name: string, { weight, bias }: Linear): SavedTensor[] {
  const cols = weight.length / bias.length;
  const tensor = (part: string, shape: number[], values: Float32Array): SavedTensor => ({
    ...{ name: `${name}.${part}`, dtype: "F32", shape },
    read: (into, row) => into.set(values.subarray(row * (shape.at(-1) ?? 1), row * (shape.at(-1) ?? 1) + into.length)),
  });
  return [tensor("weight", [bias.length, cols], weight), tensor("bias", [bias.length], bias)];
}
