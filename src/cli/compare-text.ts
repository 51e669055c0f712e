import { createHash } from "node:crypto";
import { appendFile, readdir, readFile, realpath, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { duration } from "../base/duration.ts";
import { badArgument, HyperthinkError } from "../base/errors.ts";
import { type Candidate, Comparison, type TextRun } from "../eval/compare/compare.ts";
import { checkReference, checkTokens } from "../eval/compare/reference.ts";
import { type Summary, summarise } from "../eval/compare/summary.ts";
import { readText, windows } from "../eval/compare/texts.ts";
import type { Session } from "../request/session.ts";
import { counted, size, table } from "./format.ts";
import type { ModelFlags } from "./options.ts";
import { openStatusLine } from "./status-line.ts";

export interface TextFlags {
  text?: string;
  reference?: string;
  texts: number;
  prefix: number;
  scored: number;
  resume?: string;
}

/** Divergence of each policy on windows of a text; results that `--resume` names are kept there. */
export async function onText(
  session: Session,
  reference: Session | null,
  candidates: Candidate[],
  flags: ModelFlags & TextFlags,
  signal: AbortSignal,
): Promise<Summary[]> {
  const { prefix, scored, texts, resume } = flags;
  const ids = await session.tokenizer.encode(await readText(flags.text!), { special: false, signal });
  const parts = windows(ids, texts, prefix + scored);
  if (reference) {
    checkReference(session, reference);
    await checkTokens(session.tokenizer, reference.tokenizer, session.tokenizer.decode(parts[0]), signal);
  }
  const { weights, kv, context, chunk, device } = flags;
  const settings = JSON.stringify({
    text: createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16),
    model: await stateOf(flags.model),
    adapter: flags.adapter ? await Promise.all(flags.adapter.map(stateOf)) : null,
    probe: await stateOf(flags.probe),
    reference: flags.reference && (await stateOf(flags.reference)), // not there in the files of runs without
    weights,
    kv,
    context,
    chunk,
    device,
    prefix,
    scored,
    texts,
    policies: candidates.map(({ label, policy, texts }) => [label, policy.key, texts]),
  });
  const runs = resume ? await readRuns(resume, settings) : [];
  const started = performance.now();
  const before = runs.length;
  using status = openStatusLine(process.stderr);
  const progress = (text: number, done: number) => {
    const share = (runs.length - before + done / candidates.length) / (texts - before);
    const left = ((performance.now() - started) * (1 - share)) / share / 1000;
    status.show(
      `text ${text + 1} of ${texts}, policy ${done} of ${candidates.length}${share > 0 ? `, ${duration(left)} left` : ""}`,
    );
  };
  const comparison = new Comparison(session, candidates, {
    prefix,
    reference: reference ?? undefined,
    onScore: progress,
    signal,
  });
  for (const [text, part] of parts.entries()) {
    if (runs.some((r) => r.text === text)) continue;
    const result = await comparison.run(text, part).catch((error) => {
      if (resume && error instanceof HyperthinkError && error.code === "aborted")
        throw new HyperthinkError(
          "aborted",
          `the comparison was aborted; ${runs.length} of ${counted(texts, "text")} kept in ${resume}: the same command goes on from there`,
        );
      throw error;
    });
    runs.push(result);
    if (resume) await appendFile(resume, `${JSON.stringify(result)}\n`);
  }
  return summarise(runs, candidates, session.config.kvHeads);
}

/** Where a checkpoint lies and when its files were written: results of another one must not be gone on with. */
async function stateOf(path: string | undefined): Promise<unknown> {
  if (path === undefined) return null;
  const place = await realpath(path);
  const files = (await stat(place)).isDirectory() ? (await readdir(place)).map((name) => join(place, name)) : [place];
  const states = await Promise.all(files.sort().map(async (file) => [file, await stat(file)] as const));
  return [place, ...states.filter(([, s]) => s.isFile()).map(([file, s]) => [basename(file), s.size, s.mtimeMs])];
}

/** Names of the settings that differ between two heads of result files. */
function differences(head: string, settings: string): string {
  try {
    const [theirs, ours] = [JSON.parse(head), JSON.parse(settings)];
    if (typeof theirs !== "object" || theirs === null) return "no results";
    const names = Object.keys({ ...ours, ...theirs }).filter(
      (name) => JSON.stringify(ours[name]) !== JSON.stringify(theirs[name]),
    );
    return `another ${names.join(" and ")}`;
  } catch {
    return "no results";
  }
}

/** Results of an earlier run under the same settings; a last line that was cut off is dropped. */
async function readRuns(file: string, settings: string): Promise<TextRun[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  const [head, ...lines] = text.split("\n");
  if (!head) {
    await writeFile(file, `${settings}\n`);
    return [];
  }
  if (head !== settings)
    throw badArgument(
      `--resume ${file}: it holds ${differences(head, settings)}; expected a new file, or the command that made it`,
    );
  const runs: TextRun[] = [];
  for (const line of lines.filter(Boolean)) {
    try {
      runs.push(JSON.parse(line));
    } catch {
      break;
    }
  }
  await writeFile(file, [settings, ...runs.map((r) => JSON.stringify(r)), ""].join("\n"));
  return runs;
}

const columns = (base: string): [string, (s: Summary) => string][] => [
  ["policy", (s) => s.label],
  ["CR", (s) => s.cr.toFixed(2)],
  [
    "of heads",
    (s) => {
      const heads = s.crByLane.flat();
      return `${Math.min(...heads).toFixed(2)} to ${Math.max(...heads).toFixed(2)}`;
    },
  ],
  ["texts", (s) => String(s.texts)],
  ["KL", (s) => s.kl.mean.toFixed(4)],
  ["95% interval", (s) => (Number.isFinite(s.kl.low) ? `${s.kl.low.toFixed(4)} to ${s.kl.high.toFixed(4)}` : "-")],
  ["KL p95", (s) => s.klP95.toFixed(3)],
  ["top-1", (s) => `${(100 * s.agreement).toFixed(1)}%`],
  ["ppl", (s) => s.perplexity.toFixed(2)],
  [
    `loss - ${base}`,
    ({ loss }) =>
      loss.mean.toFixed(3) + (Number.isFinite(loss.low) ? ` [${loss.low.toFixed(3)}, ${loss.high.toFixed(3)}]` : ""),
  ],
  ["keys at end", (s) => s.keysAtEnd.toFixed(0)],
  ["reads a token", (s) => s.readsPerToken.toFixed(0)],
  ["bytes: most", (s) => size(Math.round(s.prefillBytes))],
  ["after", (s) => size(Math.round(s.bytesAfterPrompt))],
  ["at end", (s) => size(Math.round(s.bytesAtEnd))],
  ["cut ms", (s) => s.cutMs.toFixed(0)],
  ["ms/token", (s) => s.msPerToken.toFixed(2)],
];

/** `base` is what losses are told against. */
export function textTable(summaries: readonly Summary[], base: "full" | "reference"): string {
  const all = columns(base);
  return table([all.map(([head]) => head), ...summaries.map((s) => all.map(([, cell]) => cell(s)))]);
}
