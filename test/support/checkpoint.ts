import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toBf16 } from "../../src/base/half.ts";
import { seeded } from "../../src/base/rng.ts";

export type Tensors = Record<string, { dtype: string; shape: number[]; data: Uint8Array }>;

export const f32 = (shape: number[], values: ArrayLike<number>) => ({
  dtype: "F32",
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
});
export const bf16 = (shape: number[], values: ArrayLike<number>) => ({
  dtype: "BF16",
  shape,
  data: new Uint8Array(Uint16Array.from(values, toBf16).buffer),
});

/** A safetensors file; `edit` may falsify its header. */
export function safetensors(tensors: Tensors, edit: (header: Record<string, never>) => void = () => {}): Uint8Array {
  const header: Record<string, unknown> = {};
  let at = 0;
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [at, at + data.length] };
    at += data.length;
  }
  edit(header as Record<string, never>);
  const json = new TextEncoder().encode(JSON.stringify(header));
  const out = new Uint8Array(8 + json.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(json.length), true);
  out.set(json, 8);
  let to = 8 + json.length;
  for (const { data } of Object.values(tensors)) {
    out.set(data, to);
    to += data.length;
  }
  return out;
}

export const llamaConfig = {
  model_type: "llama",
  vocab_size: 16,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: true,
  hidden_act: "silu",
  eos_token_id: 2,
};

/** All tensors of `llamaConfig`. */
export function llamaTensors(make: typeof f32 = f32): Tensors {
  const rng = seeded(5);
  const tensor = (...shape: number[]) =>
    make(
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.gaussian()),
    );
  const at = "model.layers.0";
  return {
    "model.embed_tokens.weight": tensor(16, 8),
    "model.norm.weight": tensor(8),
    [`${at}.input_layernorm.weight`]: tensor(8),
    [`${at}.post_attention_layernorm.weight`]: tensor(8),
    [`${at}.self_attn.q_proj.weight`]: tensor(8, 8),
    [`${at}.self_attn.k_proj.weight`]: tensor(4, 8),
    [`${at}.self_attn.v_proj.weight`]: tensor(4, 8),
    [`${at}.self_attn.o_proj.weight`]: tensor(8, 8),
    [`${at}.mlp.gate_proj.weight`]: tensor(12, 8),
    [`${at}.mlp.up_proj.weight`]: tensor(12, 8),
    [`${at}.mlp.down_proj.weight`]: tensor(8, 12),
  };
}

const beads = fileURLToPath(new URL("../../models/beads/", import.meta.url));

/** The files of the embedded model, its tensors and its config changed. */
export function beadsFiles(
  change: (tensors: Tensors) => Tensors = (tensors) => tensors,
  config: object = {},
): Record<string, Uint8Array | object> {
  const files: Record<string, Uint8Array> = {};
  for (const name of readdirSync(beads)) files[name] = readFileSync(beads + name);
  return {
    ...files,
    "config.json": { ...JSON.parse(String(files["config.json"])), ...config },
    "model.safetensors": safetensors(change(readTensors(files["model.safetensors"]))),
  };
}

function readTensors(file: Uint8Array): Tensors {
  const start = 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = JSON.parse(
    new TextDecoder().decode(file.subarray(8, start)),
  );
  return Object.fromEntries(
    Object.entries(header)
      .filter(([name]) => name !== "__metadata__")
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [from, to],
          },
        ]) => [name, { dtype, shape, data: file.subarray(start + from, start + to) }],
      ),
  );
}

/** A folder of these files, removed afterwards. */
export async function withFolder<T>(
  files: Record<string, string | Uint8Array | object>,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "hyperthink-"));
  try {
    for (const [name, content] of Object.entries(files))
      writeFileSync(
        join(folder, name),
        typeof content === "string" || content instanceof Uint8Array ? content : JSON.stringify(content),
      );
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
