// Where a data set's files lie: what the user names, else the cache that Hugging Face's programs keep.

import { readdir, readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { badFile } from "../../../base/errors.ts";
import type { ItemOptions } from "../task.ts";

/** A data set's published forms. */
export interface Published {
  /** Names of its file in a folder of the user's; the first that is there counts. */
  files: readonly string[];
  /** Its repositories on the Hub, and what their file is called there. */
  hub: readonly { repository: string; file: RegExp }[];
  /** Names of files among which its problems are divided: of these all in one folder count. */
  parts?: RegExp;
}

/**
 * The file of a data set: `data` itself, or in the folder `data`, or in the newest snapshot of the Hub's cache. Nothing
 * is fetched. Throws `bad-file` that says where it was looked for.
 */
export async function findData(published: Published, options: ItemOptions): Promise<string> {
  const { data } = options;
  if (data !== undefined) {
    const info = await stat(data).catch(() => null);
    if (info?.isFile()) return data;
    const names = info ? await readdir(data) : [];
    const found =
      published.files.find((name) => names.includes(name)) ?? names.sort().find((name) => published.parts?.test(name));
    if (found) return join(data, found);
    throw badFile(
      published.files.length === 0
        ? `${data}: expected a file of problems, found ${info ? "a folder" : "none"}`
        : `${data}: expected a file, or a folder with ${published.files.join(" or ")}, found ${info ? "none of these in it" : "none"}`,
    );
  }
  const hub = options.hub ?? hubCache(process.env);
  for (const { repository, file } of published.hub) {
    const found = await inHub(hub, repository, file);
    if (found) return found;
  }
  const repositories = published.hub.map(({ repository }) => repository).join(" or ");
  throw badFile(
    `expected a file (${published.files.join(", ")}), got none` +
      (repositories ? `, and ${hub} does not hold ${repositories}` : "") +
      ": say where by --data PATH",
  );
}

/**
 * All files of a data set that may be divided: that which `data` names, else what `findData` finds with all other parts
 * that lie beside it, in the order of their numbers. Throws as `findData` does.
 */
export async function findParts(published: Published, options: ItemOptions): Promise<string[]> {
  const first = await findData(published, options);
  const { parts } = published;
  if (first === options.data || !parts?.test(basename(first))) return [first];
  const names = (await readdir(dirname(first))).filter((name) => parts.test(name));
  const inOrder = names.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  return inOrder.map((name) => join(dirname(first), name));
}

/** Where Hugging Face's programs keep what they fetched. */
export function hubCache(env: Record<string, string | undefined>): string {
  if (env.HF_HUB_CACHE) return env.HF_HUB_CACHE;
  const home = env.HF_HOME ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "huggingface");
  return join(home, "hub");
}

/** A file of a data set in the Hub's cache; null where it is not there. Of several snapshots, `main` is taken. */
async function inHub(hub: string, repository: string, file: RegExp): Promise<string | null> {
  const folder = join(hub, `datasets--${repository.replaceAll("/", "--")}`);
  const snapshots = await readdir(join(folder, "snapshots")).catch((): string[] => []);
  const main = (await readFile(join(folder, "refs", "main"), "utf8").catch(() => "")).trim();
  for (const snapshot of [main, ...snapshots.filter((name) => name !== main)].filter((name) =>
    snapshots.includes(name),
  )) {
    const root = join(folder, "snapshots", snapshot);
    const names = await readdir(root, { recursive: true, encoding: "utf8" });
    const found = names.map((name) => name.replaceAll("\\", "/")).filter((name) => file.test(name));
    if (found.length > 0) return join(root, found.sort()[0]);
  }
  return null;
}
