import { HyperthinkError } from "../base/errors.ts";
import type { Device, Dtype, F32, Matrix } from "../device/device.ts";
import { applyAdapter, type ModelConfig, parseConfig } from "./config.ts";
import { Safetensors, type Tensor } from "./safetensors.ts";
import type { Source } from "./source.ts";
import type { LayerWeights, Weights } from "./weights.ts";

export interface WeightOptions {
  weights: Dtype;
  adapter?: Source;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

/** The configuration of a model, with an adapter's gates laid over it. */
export async function loadConfig(source: Source, adapter?: Source): Promise<ModelConfig> {
  const json = await source.json("config.json");
  if (json === null)
    throw new HyperthinkError(
      "bad-file",
      `${source.path}: expected config.json, found none; is it a Hugging Face model folder?`,
    );
  const config = parseConfig(json, await source.json("generation_config.json"));
  return adapter ? applyAdapter(config, await adapter.json("config.json")) : config;
}

/** bf16 where the checkpoint's matrices are bf16, so that nothing is lost; else f32. */
export async function defaultDtype(source: Source): Promise<Dtype> {
  const file = await Safetensors.open(source);
  const types = [...file.tensors.values()].filter((tensor) => tensor.shape.length === 2).map((tensor) => tensor.dtype);
  await file.close();
  return types.length > 0 && types.every((type) => type === "BF16") ? "bf16" : "f32";
}

/**
 * Streams a checkpoint into a device: block by block through a small staging buffer into the device's own layout, so that no
 * tensor is held twice. Throws `bad-model` naming tensors that are missing, unknown or of a wrong shape.
 */
export async function loadWeights(
  device: Device,
  config: ModelConfig,
  source: Source,
  options: WeightOptions,
): Promise<Weights> {
  const base = await Safetensors.open(source);
  const adapter = options.adapter ? await Safetensors.open(options.adapter) : null;
  try {
    const shelf = new Shelf(base, adapter);
    const plan = new Plan(device, config, options.weights, shelf);
    const weights = plan.weights();
    shelf.finish(config, source.path);
    await plan.read(options);
    return weights;
  } finally {
    await base.close();
    await adapter?.close();
  }
}

/** The tensors at hand, and which of them were asked for. */
class Shelf {
  readonly #files: Safetensors[];
  readonly #used = new Set<string>();
  readonly #missing: string[] = [];

  constructor(base: Safetensors, adapter: Safetensors | null) {
    this.#files = adapter ? [base, adapter] : [base];
    for (const name of adapter?.tensors.keys() ?? [])
      if (base.tensors.has(name))
        throw new HyperthinkError(
          "bad-model",
          `tensor ${name} stands in the model and in the adapter; expected it in one`,
        );
  }

  find(name: string): { file: Safetensors; tensor: Tensor } | null {
    for (const file of this.#files) {
      const tensor = file.tensors.get(name);
      if (tensor) return { file, tensor };
    }
    return null;
  }

  /** The tensor called by the first of `names` that is there, whose shape must be `shape`. Null: missing, and remembered. */
  take(names: string[], shape: number[]): { file: Safetensors; tensor: Tensor } | null {
    const found = names.map((name) => this.find(name)).find((hit) => hit !== null);
    if (!found) {
      this.#missing.push(names[0]);
      return null;
    }
    const { tensor } = found;
    this.#used.add(tensor.name);
    if (tensor.shape.length !== shape.length || tensor.shape.some((n, i) => n !== shape[i]))
      throw new HyperthinkError(
        "bad-model",
        `tensor ${tensor.name}: expected shape [${shape}] from config.json, got [${tensor.shape}]`,
      );
    if (!["F32", "F16", "BF16"].includes(tensor.dtype))
      throw new HyperthinkError(
        "bad-model",
        `tensor ${tensor.name}: expected F32, F16 or BF16, got ${tensor.dtype}; quantised checkpoints are not read`,
      );
    return found;
  }

  /** Throws for missing and for unknown tensors, all of them in one error. */
  finish(config: ModelConfig, path: string): void {
    const ignored = (name: string) =>
      name.endsWith("rotary_emb.inv_freq") || (config.tied && name === "lm_head.weight");
    const unknown = this.#files
      .flatMap((file) => [...file.tensors.keys()])
      .filter((name) => !this.#used.has(name) && !ignored(name));
    const list = (names: string[]) =>
      names.slice(0, 5).join(", ") + (names.length > 5 ? ` and ${names.length - 5} more` : "");
    const faults = [
      this.#missing.length ? `missing: ${list(this.#missing)}` : "",
      unknown.length ? `unknown: ${list(unknown)}` : "",
    ].filter(Boolean);
    if (faults.length)
      throw new HyperthinkError(
        "bad-model",
        `${path}: the tensors do not fit config.json (${config.architecture}, ${config.layers} layers); ${faults.join("; ")}`,
      );
  }
}

type Job = {
  hit: { file: Safetensors; tensor: Tensor };
  cols: number;
  put: (values: Float32Array, row: number) => void;
};

/** What to read and where to put it. Device memory is taken when the whole checkpoint was found to fit its config. */
class Plan {
  readonly #device: Device;
  readonly #config: ModelConfig;
  readonly #dtype: Dtype;
  readonly #shelf: Shelf;
  readonly #jobs: Job[] = [];

  constructor(device: Device, config: ModelConfig, dtype: Dtype, shelf: Shelf) {
    this.#device = device;
    this.#config = config;
    this.#dtype = dtype;
    this.#shelf = shelf;
  }

  weights(): Weights {
    const c = this.#config;
    const embed = this.#matrix(["model.embed_tokens.weight"], c.vocabulary, c.hidden);
    return {
      embed,
      head: c.tied ? embed : this.#matrix(["lm_head.weight"], c.vocabulary, c.hidden),
      norm: this.#vector(["model.norm.weight"], c.hidden),
      layers: Array.from({ length: c.layers }, (_, i) => this.#layer(`model.layers.${i}`)),
    };
  }

  async read({ onProgress, signal }: WeightOptions): Promise<void> {
    const total = this.#jobs.reduce((sum, job) => sum + job.hit.tensor.bytes, 0);
    let done = 0;
    for (const { hit, cols, put } of this.#jobs) {
      if (signal?.aborted) throw new HyperthinkError("aborted", "loading was aborted");
      await hit.file.rows(hit.tensor, cols, put);
      done += hit.tensor.bytes;
      onProgress?.(done, total);
    }
  }

  #matrix(names: string[], rows: number, cols: number, dtype: Dtype = this.#dtype): Matrix {
    const hit = this.#shelf.take(names, [rows, cols]);
    const matrix = this.#device.matrix(hit ? rows : 1, hit ? cols : 1, dtype);
    if (hit) this.#jobs.push({ hit, cols, put: (values, row) => this.#device.writeRows(matrix, row, values) });
    return matrix;
  }

  #vector(names: string[], length: number): F32 {
    const hit = this.#shelf.take(names, [length]);
    const vector = this.#device.f32(hit ? length : 1);
    if (hit) this.#jobs.push({ hit, cols: 1, put: (values, row) => vector.host.set(values, row) });
    return vector;
  }

  #layer(at: string): LayerWeights {
    const c = this.#config;
    const queries = c.queryHeads * c.headDim;
    const keys = c.kvHeads * c.headDim;
    const matrix = (name: string, rows: number, cols: number) => this.#matrix([`${at}.${name}.weight`], rows, cols);
    const bias = (on: boolean, name: string, length: number) =>
      on ? this.#vector([`${at}.${name}.bias`], length) : null;
    const norm = (name: string, length: number) => this.#vector([`${at}.${name}.weight`], length);
    return {
      inputNorm: norm("input_layernorm", c.hidden),
      q: matrix("self_attn.q_proj", queries, c.hidden),
      k: matrix("self_attn.k_proj", keys, c.hidden),
      v: matrix("self_attn.v_proj", keys, c.hidden),
      o: matrix("self_attn.o_proj", c.hidden, queries),
      qBias: bias(c.biases.qkv, "self_attn.q_proj", queries),
      kBias: bias(c.biases.qkv, "self_attn.k_proj", keys),
      vBias: bias(c.biases.qkv, "self_attn.v_proj", keys),
      oBias: bias(c.biases.output, "self_attn.o_proj", c.hidden),
      qNorm: c.headNorm ? norm("self_attn.q_norm", c.headDim) : null,
      kNorm: c.headNorm ? norm("self_attn.k_norm", c.headDim) : null,
      postNorm: norm("post_attention_layernorm", c.hidden),
      gate: matrix("mlp.gate_proj", c.intermediate, c.hidden),
      up: matrix("mlp.up_proj", c.intermediate, c.hidden),
      down: matrix("mlp.down_proj", c.hidden, c.intermediate),
      gateBias: bias(c.biases.mlp, "mlp.gate_proj", c.intermediate),
      upBias: bias(c.biases.mlp, "mlp.up_proj", c.intermediate),
      downBias: bias(c.biases.mlp, "mlp.down_proj", c.hidden),
      alpha: this.#alpha(`${at}.self_attn.dms_proj_alpha`),
      borrowed: this.#borrowed(`${at}.self_attn.q_proj`),
    };
  }

  /** Gate tensors, with or without ".weight"; always float32 (style 7.2: a gate's logit is scaled by 100, so rounding decides). */
  #alpha(at: string): LayerWeights["alpha"] {
    const { dms, kvHeads, hidden } = this.#config;
    if (!dms || dms.borrowed) return null;
    return {
      norm: this.#vector([`${at}_norm.weight`, `${at}_norm`], hidden),
      proj: this.#matrix([`${at}.weight`, at], kvHeads, hidden, "f32"),
      bias: this.#shelf.find(`${at}.bias`) ? this.#vector([`${at}.bias`], kvHeads) : null,
    };
  }

  /** The query heads that carry a borrowed gate, in float32, where the weights' type would round the checkpoint's. */
  #borrowed(at: string): LayerWeights["borrowed"] {
    const { dms, queryHeads, kvHeads, headDim: D, hidden, biases } = this.#config;
    const hit = this.#shelf.find(`${at}.weight`);
    if (!dms?.borrowed || !hit || this.#dtype === "f32" || hit.tensor.dtype === "BF16") return null;
    const stride = (queryHeads / kvHeads) * D; // query rows of one group; its first head carries the gate
    const q = this.#device.matrix(kvHeads * D, hidden, "f32");
    const rowOf = (row: number) => (row % stride < D ? Math.floor(row / stride) * D + (row % stride) : -1);
    this.#jobs.push({
      hit,
      cols: hidden,
      put: (values, first) => {
        for (let r = 0; r < values.length / hidden; r++)
          if (rowOf(first + r) >= 0)
            this.#device.writeRows(q, rowOf(first + r), values.subarray(r * hidden, (r + 1) * hidden));
      },
    });
    if (!biases.qkv) return { q, bias: null };
    const bias = this.#device.f32(kvHeads * D);
    const biasHit = this.#shelf.find(`${at}.bias`);
    if (biasHit)
      this.#jobs.push({
        hit: biasHit,
        cols: 1,
        put: (values, first) =>
          values.forEach((value, i) => {
            if (rowOf(first + i) >= 0) bias.host[rowOf(first + i)] = value;
          }),
      });
    return { q, bias };
  }
}
