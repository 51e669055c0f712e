import { badFile, type HyperthinkError, unsupported } from "../base/errors.ts";
import type { ModelConfig } from "./config.ts";
import { parseLoraConfig } from "./lora-config.ts";
import { isTransposed, type LoraPart, matchLora } from "./lora-match.ts";
import type { Note } from "./match.ts";
import { Safetensors, type Tensor } from "./safetensors.ts";
import type { Source } from "./source.ts";

export const LORA_CONFIG = "adapter_config.json";
export const LORA_WEIGHTS = "adapter_model.safetensors";
export const LORA_PICKLE = "adapter_model.bin";

/** What is added to a matrix W [out, in]: scale * B A. Of an embedding, whose rows are its inputs, A is PEFT's B. */
export interface Lora {
  rank: number;
  scale: number; // alpha / rank, or alpha / sqrt(rank)
  a: Float32Array; // [rank, in]
  b: Float32Array; // [out, rank]
}

/** A PEFT LoRA whose headers fit a model. Close it. */
export class LoraFile implements AsyncDisposable {
  readonly path: string;
  readonly parts: readonly LoraPart[];
  readonly #file: Safetensors;

  private constructor(path: string, file: Safetensors, parts: LoraPart[]) {
    this.path = path;
    this.#file = file;
    this.parts = parts;
  }

  /**
   * `base` are the model's own tensors. Throws `bad-file` (missing or damaged files), `bad-model` (tensors that do not
   * fit this model, by name), `unsupported` (what is no plain LoRA).
   */
  static async open(source: Source, config: ModelConfig, base: Safetensors, note: Note): Promise<LoraFile> {
    const json = await source.json(LORA_CONFIG);
    if (json === null)
      throw badFile(`${source.path}: expected ${LORA_CONFIG}, found none: a LoRA's scale stands there`);
    const settings = parseLoraConfig(json, `${source.path}/${LORA_CONFIG}`);
    if (!(await source.has(LORA_WEIGHTS))) throw await withoutWeights(source);
    const file = await Safetensors.open(source, [LORA_WEIGHTS]);
    try {
      const parts = await matchLora(file, `${source.path}/${LORA_WEIGHTS}`, settings, { config, base, note });
      return new LoraFile(source.path, file, parts);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** What it takes as float32. */
  get bytes(): number {
    return this.parts.reduce((sum, { wanted: { shape }, rank }) => sum + 4 * rank * (shape[0] + shape[1]), 0);
  }

  async read({ wanted, rank, scale, a, b }: LoraPart): Promise<Lora> {
    return {
      rank,
      scale,
      a: await this.#numbers(a, rank, wanted.shape[1]),
      b: await this.#numbers(b, wanted.shape[0], rank),
    };
  }

  /** [rows, cols] as float32, from a tensor of that shape or its transpose. Throws `bad-model` for NaN and infinity. */
  async #numbers(tensor: Tensor, rows: number, cols: number): Promise<Float32Array> {
    const numbers = new Float32Array(rows * cols);
    const width = tensor.shape[1];
    await this.#file.rows(tensor, width, (block, first) => {
      if (isTransposed(tensor)) {
        for (let i = 0; i < block.length; i++) numbers[(i % width) * cols + first + Math.floor(i / width)] = block[i];
      } else numbers.set(block, first * width);
    });
    return numbers;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function withoutWeights(source: Source): Promise<HyperthinkError> {
  const lacks = `${source.path}: expected ${LORA_WEIGHTS}, found none`;
  if (await source.has(LORA_PICKLE))
    return unsupported(
      `${lacks}; ${LORA_PICKLE} is there: a PyTorch pickle, which is not read (it can run code): load it with peft and save_pretrained() it again`,
    );
  return badFile(`${lacks}: was all of the adapter downloaded?`);
}
