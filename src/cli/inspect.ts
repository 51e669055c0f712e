import { freemem } from "node:os";
import type { Command } from "commander";
import { badArgument } from "../base/errors.ts";
import { type Inspection, inspect, type LoraFacts } from "../model/inspect.ts";
import { inspectProbe, type ProbeInspection } from "../model/probe.ts";
import { count, size, table } from "./format.ts";
import { ADAPTER, embedded, type ModelFlags } from "./options.ts";
import { bytes, kvFormat, texts, weightFormat } from "./parse.ts";
import { refuseUnread, unreadOf } from "./unread.ts";

type Flags = Pick<ModelFlags, "model" | "adapter" | "weights" | "kv"> & { memory?: number; json?: boolean };

export function registerInspect(program: Command): void {
  program
    .command("inspect")
    .description("a checkpoint's config, parameters and cache bytes, and what fits into this machine; or a KVzap probe")
    .argument("[dir]", "the same as --model")
    .option("-m, --model <dir>", "Hugging Face folder or .safetensors file (default: the embedded abacus-dms-8x)")
    .option("--adapter <dir>", ADAPTER, texts)
    .option("--weights <type>", "f32 or bf16 in memory (default: bf16 where the checkpoint is bf16)", weightFormat)
    .option("--kv <type>", "f32 or bf16 keys and values (default: bf16)", kvFormat)
    .option("--memory <size>", "memory to plan for (default: what is free now)", bytes)
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nHeaders are read, and no weights but a tied head.\nExample: hyperthink inspect --memory 16GiB ./Qwen3-8B-DMS-8x",
    )
    .action(async (dir: string | undefined, flags: Flags, command: Command) => {
      if (dir !== undefined && flags.model !== undefined)
        throw badArgument("expected one folder, as an argument or as --model, got both");
      const path = flags.model ?? dir ?? embedded("abacus-dms-8x");
      const probe = await inspectProbe(path);
      refuseUnread(command, unreadOf(["adapter", "weights", "kv", "memory"], probe !== null, "models, not by probes"));
      if (probe) return console.log(flags.json ? JSON.stringify(probe) : renderProbe(probe));
      const facts = await inspect(path, {
        ...flags,
        freeBytes: flags.memory ?? freemem(),
      });
      console.log(flags.json ? JSON.stringify(facts) : render(facts));
    });
}

function lora({ path, modules, ranks, scales, bytes }: LoraFacts): string {
  const where = Object.entries(modules).map(([name, n]) => `${n} ${name}`);
  const numbers = (list: readonly number[]) => list.map((x) => Number(x.toPrecision(6))).join(", ");
  return `  LoRA           rank ${numbers(ranks)}, scale ${numbers(scales)}, ${size(bytes)} on disk, over ${where.join(", ")}: ${path}`;
}

function renderProbe(probe: ProbeInspection): string {
  const { path, form, layers, inputs, kvHeads, hidden, diskBytes } = probe;
  return [
    path,
    `  KVzap probe    ${form}${hidden === null ? "" : ` with ${hidden} hidden units`}, ${layers} layers of ${inputs} inputs, ${kvHeads} KV heads`,
    `  bytes          ${size(diskBytes)} on disk`,
    ...(probe.recipe ? [recipe({ path, settings: probe.recipe })] : []),
    "  (a model takes it by --probe with --policy kvzap)",
  ].join("\n");
}

/** Settings side by side, as many as a line of 100 columns holds. */
function recipe({ path, settings }: Inspection["recipes"][number]): string {
  const lines = [""];
  for (const [name, value] of Object.entries(settings)) {
    const word = `${name} ${typeof value === "number" ? Number(value.toPrecision(6)) : value}`;
    if (lines.at(-1)!.length + word.length > 98) lines.push("");
    lines.push(`${lines.pop()}${word}; `);
  }
  return [`  made by training (${path}):`, ...lines.map((line) => `    ${line.trimEnd()}`)].join("\n");
}

function render(f: Inspection): string {
  const c = f.config;
  const gates = c.dms
    ? `window ${c.dms.window}, trained for CR ${c.dms.cr}, one decision a ${c.dms.perLayer ? "layer" : "KV head"}, ${c.dms.borrowed ? "borrowed from the query's last channel" : "own gate tensors"}`
    : "none";
  return [
    f.path,
    `  architecture   ${c.architecture}, ${c.layers} layers, hidden ${c.hidden}, FFN ${c.intermediate}, vocabulary ${count(c.vocabulary)}${c.tied ? ", tied head" : ""}`,
    `  attention      ${c.queryHeads} query and ${c.kvHeads} KV heads of ${c.headDim}; context ${count(c.contextLength)}`,
    `  DMS gates      ${gates}`,
    `  tensors        ${f.tensors} (${Object.entries(f.dtypes)
      .map(([type, n]) => `${n} ${type}`)
      .join(", ")}), ${count(f.parameters)} parameters`,
    `  bytes          ${size(f.diskBytes)} on disk, ${size(f.weightBytes)} in memory as ${f.weights}`,
    ...f.loras.map(lora),
    `  KV cache       ${count(f.kvBytesPerToken)} bytes a token as ${f.kv}, uncompressed`,
    `  fits in ${size(f.freeBytes)} beside the weights:`,
    table([
      ["    CR", "tokens of context", "chains of 4k", "chains of 32k"],
      ...f.fits.map((fit) => [
        `    ${fit.cr}`,
        count(fit.tokens),
        c.contextLength < 4096 ? "-" : count(fit.chains4k),
        c.contextLength < 32768 ? "-" : count(fit.chains32k),
      ]),
    ]),
    "  (a DMS cache also keeps its window a lane: short chains reach less than the CR that they were trained for)",
    ...f.recipes.map(recipe),
    ...f.notes.map((text) => `  note: ${text}`),
  ].join("\n");
}
