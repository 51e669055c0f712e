import { type FileHandle, open, readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { badFile, type HyperthinkError } from "../base/errors.ts";
import { parseJson } from "../base/json.ts";
import { decodeUtf8 } from "../base/utf8.ts";
import { visible } from "../base/visible.ts";
import { fileAdvice, folderAdvice, pathAdvice, pointerFault } from "./advice.ts";
import { brief } from "./brief.ts";

/** A checkpoint on disk: a Hugging Face folder, or one .safetensors file with its config.json beside it. Untrusted. */
export interface Source {
  /** What messages call it. */
  readonly path: string;
  /** The one file of weights that was given instead of its folder, or null. */
  readonly single: string | null;
  /** Whether the folder holds such a file. */
  has(name: string): Promise<boolean>;
  /**
   * Parsed JSON of a file (an object or a list), or null where it is not there. Throws
   * `bad-file` when it is neither, or too large.
   */
  json(name: string): Promise<object | null>;
  /** Without a byte order mark. */
  text(name: string): Promise<string | null>;
  /** Names of the safetensors files. */
  shards(): Promise<string[]>;
  open(name: string): Promise<FileHandle>;
  /**
   * The error for a folder without config.json, or without weights: it says what is
   * there instead, as far as that is known.
   */
  lacks(what: "config" | "weights"): Promise<HyperthinkError>;
}

const MOST_JSON = 64 << 20;
const MOST_TOKENIZER = 256 << 20;
const MOST_SHARDS = 10_000;
const MOST_LOOKED = 100; // folders that may be the one that was meant

export const WEIGHTS = "model.safetensors";
export const INDEX = `${WEIGHTS}.index.json`;

/** Throws `bad-file` where `path` is neither a folder nor a .safetensors file, and says what it may be. */
export async function openSource(path: string): Promise<Source> {
  const info = await stat(path).catch(() => null);
  if (!info) throw badFile(`${path}: no such folder or file${pathAdvice(path)}`);
  if (info.isDirectory()) return new FolderSource(await snapshotIn(path), null);
  if (!path.endsWith(".safetensors"))
    throw badFile(`${path}: expected a model folder or a .safetensors file${fileAdvice(path)}`);
  const [, shards = "1"] = /-\d{5}-of-(\d{5})\.safetensors$/.exec(path) ?? [];
  if (Number(shards) > 1) throw badFile(`${path}: one of ${Number(shards)} shards; give the folder that they are in`);
  return new FolderSource(dirname(path), basename(path));
}

/**
 * The hub's cache keeps a model under snapshots/REVISION, and in refs/main which one is
 * current: it may be given as a whole.
 */
async function snapshotIn(folder: string): Promise<string> {
  const there = await readdir(folder).catch((): string[] => []);
  if (!there.includes("snapshots") || there.includes("config.json")) return folder;
  const revisions = await readdir(join(folder, "snapshots")).catch((): string[] => []);
  const main = (await readText(join(folder, "refs", "main"), 1024))?.trim();
  const revision = revisions.length === 1 ? revisions[0] : revisions.find((name) => name === main);
  if (revision !== undefined) return join(folder, "snapshots", revision);
  throw badFile(
    `${folder}: expected one snapshot, or one that refs/main names, got ${revisions.length}: give one of the folders in ${join(folder, "snapshots")}`,
  );
}

/**
 * Text of a file without its byte order mark, or null where it is not there. Throws `bad-file` for more than `most`
 * bytes, for UTF-16 (which some Windows programs write), and for a Git LFS pointer.
 */
async function readText(file: string, most = MOST_JSON): Promise<string | null> {
  const info = await stat(file).catch(() => null);
  if (!info?.isFile()) return null;
  if (info.size > most) throw badFile(`${file}: ${info.size} bytes; expected at most ${most}`);
  const bytes = await readFile(file).catch(unreadable(file));
  if ([0xfffe, 0xfeff].includes(bytes[0] * 256 + bytes[1])) throw badFile(`${file}: UTF-16; expected UTF-8`);
  const decoded = decodeUtf8(bytes);
  if (typeof decoded === "number") throw badFile(`${file}: line ${decoded}: expected UTF-8 text, got other bytes`);
  const text = decoded.replace(/^\ufeff/, "");
  const fault = pointerFault(text);
  if (fault) throw badFile(`${file}: ${fault}`);
  return text;
}

/** An object or a list, or null where the file is not there. Throws `bad-file`. */
export async function readJson(file: string, most?: number): Promise<object | null> {
  const text = await readText(file, most);
  if (text === null) return null;
  const value = parseJson(text, file);
  if (typeof value === "object" && value !== null) return value;
  throw badFile(`${file}: expected a JSON object, got ${brief(value)}`);
}

class FolderSource implements Source {
  readonly path: string;
  readonly single: string | null;

  constructor(folder: string, single: string | null) {
    this.path = folder;
    this.single = single;
  }

  async has(name: string): Promise<boolean> {
    return (await stat(join(this.path, name)).catch(() => null)) !== null;
  }

  json(name: string): Promise<object | null> {
    return readJson(join(this.path, name), name === "tokenizer.json" ? MOST_TOKENIZER : MOST_JSON);
  }

  text(name: string): Promise<string | null> {
    return readText(join(this.path, name));
  }

  async shards(): Promise<string[]> {
    if (this.single) return [this.single];
    if (await this.has(WEIGHTS)) return [WEIGHTS];
    const index = (await this.json(INDEX)) as { weight_map?: Record<string, unknown> } | null;
    if (index === null) throw await this.lacks("weights");
    const wrong = (message: string) => badFile(`${this.path}/${INDEX}${message}`);
    const map = index.weight_map;
    if (typeof map !== "object" || map === null) throw wrong(': expected an object "weight_map"');
    const names = [...new Set(Object.values(map))];
    for (const name of names)
      if (typeof name !== "string" || !/^[^/\\\p{C}]+\.safetensors$/u.test(name))
        throw wrong(`: expected names of .safetensors files in this folder, got ${brief(name)}`);
    if (names.length === 0 || names.length > MOST_SHARDS)
      throw wrong(` names ${names.length} files; expected 1 to ${MOST_SHARDS}`);
    return names as string[];
  }

  async open(name: string): Promise<FileHandle> {
    const file = join(this.path, name);
    const info = await stat(file).catch(() => null);
    if (!info?.isFile())
      throw badFile(
        `${file}: expected a file, found ${info ? "none that can be read" : "nothing: was all of the model downloaded?"}`,
      );
    return open(file).catch(unreadable(file));
  }

  async lacks(what: "config" | "weights"): Promise<HyperthinkError> {
    const there = await readdir(this.path).catch((): string[] => []);
    const wanted = { config: "config.json, found none", weights: `${WEIGHTS} or ${INDEX}, found neither` }[what];
    for (const name of there.slice(0, MOST_LOOKED))
      if ((await stat(join(this.path, name, "config.json")).catch(() => null))?.isFile())
        return badFile(
          `${this.path}: expected ${wanted}; its folder ${visible(name)} has a config.json: give that one`,
        );
    return badFile(`${this.path}: expected ${wanted}${folderAdvice(there, what)}`);
  }
}

const unreadable = (file: string) => (error: Error) => {
  throw badFile(`${file}: cannot be read: ${error.message}`);
};
