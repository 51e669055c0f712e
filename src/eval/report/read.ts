import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { badFile } from "../../base/errors.ts";
import { parseJson } from "../../base/json.ts";
import { visible } from "../../base/visible.ts";
import { readLines } from "../../train/data/files.ts";
import { CHAINS_FILE, HEAD_FILE, type RecordHead } from "../harness/record.ts";
import type { ChainRow } from "../metrics/chain.ts";
import { chainSchema, headSchema } from "./schema.ts";

/** Rows of chains by task's spec and setting's id. */
export type Chains = Map<string, Map<string, ChainRow[]>>;

/** What a folder holds of an evaluation, finished or not. */
export interface Recording {
  folder: string;
  head: RecordHead;
  chains: Chains;
  notes: string[];
}

const MOST_HEAD = 256 << 20;
const MOST_LINE = 64 << 20;
const MOST_CHAINS = 5_000_000;

/**
 * Reads an evaluation's folder. A last line that is no JSON was torn when the evaluation was stopped: it is passed over
 * with a note. Throws `bad-file` that names the file, and the line, for what is missing, too large or no record.
 */
export async function readRecord(folder: string): Promise<Recording> {
  const head = await readHead(join(folder, HEAD_FILE));
  const file = join(folder, CHAINS_FILE);
  const chains: Chains = new Map(
    head.tasks.map(({ spec }) => [spec, new Map(head.settings.map(({ id }) => [id, []]))]),
  );
  const notes: string[] = [];
  if (!(await stat(file).catch(() => null))) return { folder, head, chains, notes: [`${file} is not there yet`] };
  let torn: number | null = null;
  let count = 0;
  for await (const { number, bytes } of readLines(file, MOST_LINE)) {
    const at = `${file}: line ${number}`;
    if (torn !== null) throw badFile(`${file}: line ${torn}: expected JSON, a chain`);
    if (bytes === null) throw badFile(`${at}: expected at most ${MOST_LINE} bytes`);
    if (++count > MOST_CHAINS) throw badFile(`${file}: expected at most ${MOST_CHAINS} chains`);
    const value = parsed(bytes);
    if (value === undefined) {
      torn = number;
      continue;
    }
    const { task, setting, ...row } = checked(chainSchema, value, at);
    const rows = chains.get(task)?.get(setting);
    if (!rows)
      throw badFile(
        `${at}: ${HEAD_FILE} has no ${chains.has(task) ? `setting "${visible(setting)}"` : `task "${visible(task)}"`}`,
      );
    rows.push(row);
  }
  if (torn !== null) notes.push(`${file}: its last line, ${torn}, is torn: passed over`);
  return { folder, head, chains, notes };
}

async function readHead(file: string): Promise<RecordHead> {
  const info = await stat(file).catch(() => null);
  if (!info?.isFile()) throw badFile(`${file}: no such file; expected a folder that an evaluation has written`);
  if (info.size > MOST_HEAD) throw badFile(`${file}: ${info.size} bytes; expected at most ${MOST_HEAD}`);
  const head = checked(headSchema, parseJson(await readFile(file, "utf8"), file), file);
  const models = unique(head.models, ({ name }) => name, `${file}: models`);
  unique(head.settings, ({ id }) => id, `${file}: settings`);
  unique(head.tasks, ({ spec }) => spec, `${file}: tasks`);
  for (const { spec, problems } of head.tasks) unique(problems, ({ id }) => id, `${file}: task "${visible(spec)}"`);
  const stray = head.settings.find(({ model }) => !models.has(model));
  if (stray) throw badFile(`${file}: setting "${visible(stray.id)}": no model "${visible(stray.model)}"`);
  return head;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"));
  } catch {
    return undefined;
  }
}

function checked<T extends z.ZodType>(schema: T, value: unknown, at: string): z.infer<T> {
  const { data, error } = schema.safeParse(value);
  if (!error) return data!;
  const [{ path, message }] = error.issues;
  throw badFile(`${at}: ${path.length > 0 ? `${visible(path.join("."))}: ` : ""}${visible(message)}`);
}

function unique<T>(items: readonly T[], keyOf: (item: T) => string, what: string): Set<string> {
  const keys = new Set<string>();
  for (const item of items) {
    const key = keyOf(item);
    if (keys.has(key)) throw badFile(`${what}: expected each once, got "${visible(key)}" twice`);
    keys.add(key);
  }
  return keys;
}
