import { type FileHandle, open, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { HyperthinkError } from "../base/errors.ts";
import { brief } from "./brief.ts";

/** A checkpoint on disk: a Hugging Face folder, or one .safetensors file with its config.json beside it. Untrusted. */
export interface Source {
  /** What messages call it. */
  readonly path: string;
  /** Parsed JSON of a file (an object or a list), or null where it is not there. Throws `bad-file` when it is neither, or too large. */
  json(name: string): Promise<object | null>;
  text(name: string): Promise<string | null>;
  /** Names of the safetensors files. */
  shards(): Promise<string[]>;
  open(name: string): Promise<FileHandle>;
}

const MOST_JSON = 64 << 20;
const MOST_TOKENIZER = 256 << 20;
const MOST_SHARDS = 10_000;

export async function openSource(path: string): Promise<Source> {
  const info = await stat(path).catch(() => null);
  if (!info)
    throw new HyperthinkError(
      "bad-file",
      `${path}: no such folder or file; expected a Hugging Face model folder or a .safetensors file`,
    );
  if (!info.isDirectory() && !path.endsWith(".safetensors"))
    throw new HyperthinkError("bad-file", `${path}: expected a model folder or a .safetensors file`);
  return new FolderSource(info.isDirectory() ? path : dirname(path), info.isDirectory() ? null : basename(path));
}

class FolderSource implements Source {
  readonly path: string;
  readonly #single: string | null;

  constructor(folder: string, single: string | null) {
    this.path = folder;
    this.#single = single;
  }

  async json(name: string): Promise<object | null> {
    const text = await this.text(name);
    if (text === null) return null;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new HyperthinkError("bad-file", `${join(this.path, name)}: expected JSON: ${(error as Error).message}`);
    }
    if (typeof value === "object" && value !== null) return value;
    throw new HyperthinkError("bad-file", `${join(this.path, name)}: expected a JSON object, got ${brief(value)}`);
  }

  async text(name: string): Promise<string | null> {
    const file = join(this.path, name);
    const info = await stat(file).catch(() => null);
    if (!info?.isFile()) return null;
    const most = name === "tokenizer.json" ? MOST_TOKENIZER : MOST_JSON;
    if (info.size > most)
      throw new HyperthinkError("bad-file", `${file}: ${info.size} bytes; expected at most ${most}`);
    return readFile(file, "utf8").catch(unreadable(file));
  }

  async shards(): Promise<string[]> {
    if (this.#single) return [this.#single];
    if (await stat(join(this.path, "model.safetensors")).catch(() => null)) return ["model.safetensors"];
    const index = (await this.json("model.safetensors.index.json")) as { weight_map?: Record<string, unknown> } | null;
    if (index === null) {
      throw new HyperthinkError(
        "bad-file",
        `${this.path}: expected model.safetensors or model.safetensors.index.json, found neither; is it a Hugging Face folder?`,
      );
    }
    const map = index.weight_map;
    if (typeof map !== "object" || map === null)
      throw new HyperthinkError(
        "bad-file",
        `${this.path}/model.safetensors.index.json: expected an object "weight_map"`,
      );
    const names = [...new Set(Object.values(map))];
    for (const name of names)
      if (typeof name !== "string" || !/^[^/\\\p{Cc}]+\.safetensors$/u.test(name))
        throw new HyperthinkError(
          "bad-file",
          `${this.path}/model.safetensors.index.json: expected names of .safetensors files in this folder, got ${brief(name)}`,
        );
    if (names.length === 0 || names.length > MOST_SHARDS)
      throw new HyperthinkError(
        "bad-file",
        `${this.path}/model.safetensors.index.json names ${names.length} files; expected 1 to ${MOST_SHARDS}`,
      );
    return names as string[];
  }

  async open(name: string): Promise<FileHandle> {
    const file = join(this.path, name);
    const info = await stat(file).catch(() => null);
    if (!info?.isFile())
      throw new HyperthinkError(
        "bad-file",
        `${file}: expected a file, found ${info ? "none that can be read" : "nothing"}`,
      );
    return open(file).catch(unreadable(file));
  }
}

const unreadable = (file: string) => (error: Error) => {
  throw new HyperthinkError("bad-file", `${file}: cannot be read: ${error.message}`);
};
