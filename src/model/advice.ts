// What people point a loader at that is no checkpoint, and what to do instead.
import { visible } from "../base/visible.ts";

type Advice = readonly [RegExp, string];

const GGUF = "GGUF, which is not read: get the safetensors that it was made from";
const PICKLE =
  "PyTorch pickles, which are not read (they can run code): transformers makes safetensors of them, " +
  "AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)";

/** What to do with an adapter that is no plain LoRA. */
export const MERGE =
  "merge it into its base model (peft: merge_and_unload(), then save_pretrained()), and give the merged model";

/** What to do with a folder of gates or of a LoRA that was given as a model. */
export const AS_ADAPTER = "not a model: give its base model as --model, and this folder as --adapter";

const NO_CHECKPOINTS: readonly Advice[] = [
  [/^adapter_(config\.json|model\.(safetensors|bin))$/, `a PEFT adapter, ${AS_ADAPTER}`],
  [/\.gguf$/i, GGUF],
  [
    /^(consolidated\b.*|params\.json)$/,
    "weights in Meta's or Mistral's own format: get the same model in Hugging Face's",
  ],
  [/^(pytorch_)?model.*\.(bin|pth?)$/, PICKLE],
  [
    /^(tf_model\.h5|flax_model\.msgpack|.*\.(onnx|mlmodel|tflite))$/,
    "weights for another runtime: get the safetensors",
  ],
];

const WITHOUT_WEIGHTS: readonly Advice[] = [
  ...NO_CHECKPOINTS,
  [/-of-\d{5}\.safetensors$/, "a shard; without the index nobody knows that all of them are there: get it as well"],
  [/\.safetensors$/, "if these are the weights, give the file instead of its folder"],
];

/** What the files of a folder are that has no config.json, or no weights: a message's end. */
export function folderAdvice(names: readonly string[], lacking: "config" | "weights"): string {
  for (const [pattern, advice] of lacking === "config" ? NO_CHECKPOINTS : WITHOUT_WEIGHTS) {
    const name = names.find((file) => pattern.test(file));
    if (name) return `; ${visible(name)} is there: ${advice}`;
  }
  return names.length ? "; is it a Hugging Face model folder?" : "; the folder is empty";
}

const FILES: readonly Advice[] = [
  [/\.gguf$/i, GGUF],
  [/\.(bin|pth?|ckpt)$/i, PICKLE],
  [/\.json$/i, "give the folder that it is in"],
];

export function fileAdvice(path: string): string {
  const advice = FILES.find(([pattern]) => pattern.test(path))?.[1];
  return advice ? `: ${advice}` : "";
}

/** Why a path that is not there may have been given. */
export function pathAdvice(path: string): string {
  if (/^\w+:\/\//.test(path)) return "; expected a path, not a URL";
  if (path.startsWith("~"))
    return "; the shell has left ~ as it is: write a blank before it (--model ~/...), or the whole path";
  if (/^(?!\.|models\/)[\w.-]+\/[\w.-]+$/.test(path))
    return `; expected a folder on this machine: if this is a model's name on the Hugging Face hub, get it with \`hf download ${path} --local-dir ${path.split("/")[1]}\` and give that folder`;
  return "; expected a Hugging Face model folder or a .safetensors file";
}

const POINTER = "version https://git-lfs";
/** Longer files are no Git LFS pointers. */
export const MOST_POINTER = 1024;

/** What is wrong with a file that is a Git LFS pointer; null where it is none. */
export const pointerFault = (text: string): string | null =>
  text.startsWith(POINTER)
    ? "a Git LFS pointer, the file itself was not fetched: run `git lfs pull` in its folder"
    : null;

const IN_CHECKPOINTS: readonly Advice[] = [
  [
    /\.(lora_\w+|base_layer)\b/,
    "LoRA tensors that were not merged: merge them (peft: merge_and_unload(), then save_pretrained())",
  ],
  [
    /\.(qweight|qzeros|g_idx|scales|weight_(scale|zero_point|packed|shape)\w*|absmax|quant_map)$|\.quant_state\./,
    "quantised weights, which are not read: get the model as F32, F16 or BF16",
  ],
  [/\bdms_proj_alpha/, "gates of DMS: config.json must have dms_separate_alpha true, and the other dms_* keys"],
  [
    /^(.*\.)?(score|classifier|classification_head|qa_outputs)\./,
    "a classifier's or reward model's head: it writes no text",
  ],
  [/\.(experts|block_sparse_moe|shared_expert)\./, "a mixture of experts: expected a dense decoder"],
  [
    /\.(qkv_proj|gate_up_proj|W_pack)\./,
    "projections that were fused: expected q_proj, k_proj, v_proj, gate_proj, up_proj",
  ],
];

/** What tensors without a place are, of each kind that is known once. */
export const tensorAdvice = (names: readonly string[]): string[] =>
  IN_CHECKPOINTS.filter(([pattern]) => names.some((name) => pattern.test(name))).map(([, advice]) => advice);
