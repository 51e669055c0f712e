import { z } from "zod";
import { badModel } from "../base/errors.ts";
import type { Device } from "../device/device.ts";
import type { ModelConfig } from "./config.ts";
import { readRecipe } from "./recipe.ts";
import { Safetensors } from "./safetensors.ts";
import { openSource, type Source } from "./source.ts";
import type { LayerWeights, Weights } from "./weights.ts";

const shape = z.object({
  model_type: z.literal("kvzap"),
  input_dim: z.int().min(1),
  output_dim: z.int().min(1),
  hidden_dim: z
    .int()
    .min(1)
    .max(1 << 20)
    .nullish(),
  n_modules: z.int().min(1),
});

async function formOf(source: Source): Promise<z.infer<typeof shape>> {
  const parsed = shape.safeParse(await source.json("config.json"));
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw badModel(`${source.path}/config.json: expected a KVzap probe (model_type kvzap): ${path.join(".")} ${message}`);
}

/** What files say of a probe. */
export interface ProbeInspection {
  path: string;
  kind: "kvzap";
  form: "linear" | "mlp";
  layers: number;
  inputs: number; // of the model's residual stream
  kvHeads: number;
  hidden: number | null; // of an MLP
  diskBytes: number;
  recipe: Awaited<ReturnType<typeof readRecipe>>;
}

/** Null: the folder holds no probe. Throws `bad-model` for a probe that is none. */
export async function inspectProbe(path: string): Promise<ProbeInspection | null> {
  const source = await openSource(path);
  const json = (await source.json("config.json")) as { model_type?: unknown } | null;
  if (json?.model_type !== "kvzap") return null;
  const { input_dim: inputs, output_dim: kvHeads, hidden_dim, n_modules: layers } = await formOf(source);
  await using file = await Safetensors.open(source);
  const hidden = hidden_dim ?? null;
  return {
    ...{ path, kind: "kvzap", form: hidden === null ? "linear" : "mlp", layers, inputs, kvHeads, hidden },
    diskBytes: [...file.tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0),
    recipe: await readRecipe(source),
  };
}

/** Lays a probe over a model's weights. */
export async function addProbe(device: Device, config: ModelConfig, weights: Weights, source: Source): Promise<void> {
  const probes = await loadProbe(device, config, source);
  probes.forEach((probe, l) => {
    weights.layers[l].probe = probe;
  });
}

/**
 * A KVzap checkpoint (`nvidia/KVzap-linear-*`, `KVzap-mlp-*`; arXiv 2601.07891) for a model, one probe a layer, in
 * float32 and with its sign turned. Throws `bad-file` (no such folder, a damaged file), `bad-model` (made for another
 * model, tensors missing or misshapen).
 */
async function loadProbe(
  device: Device,
  config: ModelConfig,
  source: Source,
): Promise<NonNullable<LayerWeights["probe"]>[]> {
  const { input_dim, output_dim, hidden_dim, n_modules } = await formOf(source);
  const [got, wanted] = [
    [input_dim, output_dim, n_modules],
    [config.hidden, config.kvHeads, config.layers],
  ];
  if (got.join() !== wanted.join())
    throw badModel(
      `${source.path}: expected a probe of ${wanted[0]} inputs, ${wanted[1]} KV heads and ${wanted[2]} layers, got ${got.join(", ")}: it was made for another model`,
    );
  const file = await Safetensors.open(source);
  try {
    const read = async (name: string, rows: number, cols: number, sign: 1 | -1) => {
      const tensor = file.tensors.get(name);
      const expected = cols === 1 ? [rows] : [rows, cols];
      if (!tensor || tensor.shape.join() !== expected.join() || !["F32", "F16", "BF16"].includes(tensor.dtype))
        throw badModel(
          `${source.path}: expected tensor ${name} of floats [${expected}], got ${tensor ? `${tensor.dtype} [${tensor.shape}]` : "none"}`,
        );
      const values = new Float32Array(rows * cols);
      await file.rows(tensor, cols, (block, first) =>
        values.set(sign === 1 ? block : block.map((x) => -x), first * cols),
      );
      return values;
    };
    const linear = async (name: string, rows: number, cols: number, sign: 1 | -1) => {
      const matrix = device.matrix(rows, cols, "f32");
      device.writeRows(matrix, 0, await read(`${name}.weight`, rows, cols, sign));
      const bias = device.f32(rows);
      bias.host.set(await read(`${name}.bias`, rows, 1, sign));
      bias.wrote(0, rows);
      return { matrix, bias };
    };
    const probes: NonNullable<LayerWeights["probe"]>[] = [];
    for (let l = 0; l < config.layers; l++) {
      const inner = hidden_dim ? await linear(`layers.${l}.0`, hidden_dim, config.hidden, 1) : null;
      const last = hidden_dim ? `layers.${l}.2` : `layers.${l}`;
      const out = await linear(last, config.kvHeads, hidden_dim ?? config.hidden, -1);
      probes.push({
        inner: inner?.matrix ?? null,
        innerBias: inner?.bias ?? null,
        width: hidden_dim ?? 0,
        out: out.matrix,
        outBias: out.bias,
      });
    }
    return probes;
  } finally {
    await file.close();
  }
}
