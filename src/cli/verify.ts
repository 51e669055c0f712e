import { existsSync } from "node:fs";
import type { Command } from "commander";
import { badFile } from "../base/errors.ts";
import { cpuAvailable } from "../device/cpu.ts";
import { NO_DEVICE, passed, type Report, verify } from "../eval/verify.ts";
import { embedded, type ModelFlags } from "./options.ts";
import { choice, kvFormat, weightFormat, whole } from "./parse.ts";
import { message } from "./terminal.ts";

type Flags = Pick<ModelFlags, "model" | "threads" | "weights" | "kv"> & {
  device?: "cpu" | "reference" | "all";
  json?: boolean;
};

export function registerVerify(program: Command): void {
  program
    .command("verify")
    .description("compare a device with golden data; exit code 1 when a check fails")
    .argument(
      "<dir...>",
      "folders with golden.json (kinds logits, gradients, text, policies, decode-policies, answers, equality, templates, tokens)",
    )
    .option("-m, --model <dir>", "the model of text folders (default: an embedded model of that name)")
    .option(
      "--device <name>",
      "cpu, reference or all (default: cpu where its addon is built)",
      choice("cpu", "reference", "all"),
    )
    .option("--threads <n>", "threads of the cpu device", whole)
    .option("--weights <type>", "f32 or bf16 (default: f32, as the golden data)", weightFormat)
    .option("--kv <type>", "f32 or bf16 (default: f32)", kvFormat)
    .option("--json", "print the reports as JSON")
    .addHelpText(
      "after",
      "\nUNRUN says that nothing was compared; it is not a pass.\nExample: hyperthink verify --device all golden/qwen3-dms-head",
    )
    .action(run);
}

async function run(folders: string[], flags: Flags): Promise<void> {
  const reports: Report[] = [];
  const devices = flags.device === "all" ? (["reference", "cpu"] as const) : [flags.device];
  for (const folder of folders)
    for (const device of devices) {
      const absent = device === "cpu" && flags.device === "all" ? cpuAvailable() : null;
      const report = absent
        ? { folder, kind: "?", device: "cpu", checks: [{ name: "all", status: "UNRUN" as const, detail: absent }] }
        : await verify(folder, {
            ...flags,
            device,
            model: flags.model ?? embeddedModel,
          });
      reports.push(report);
      if (!flags.json) print(report);
      if (report.device === NO_DEVICE) break; // the same on every device
    }
  if (flags.json) console.log(JSON.stringify(reports));
  if (!reports.every(passed)) process.exitCode = 1;
}

/** Where a text folder's model is, when nobody said; null: it is not in this package. */
function embeddedModel(name: string): string | null {
  if (!/^[\w.-]+$/.test(name))
    throw badFile(`golden.json names the model ${JSON.stringify(name)}: expected a folder's name`);
  return existsSync(embedded(name)) ? embedded(name) : null;
}

function print(report: Report): void {
  console.log(`${report.folder} (${report.kind}) on ${report.device}`);
  for (const { name, status, detail } of report.checks)
    console.log(`  ${status.padEnd(5)} ${message(`${name}: ${detail}`)}`);
  const total = (status: string) => report.checks.filter((check) => check.status === status).length;
  console.log(
    `  ${passed(report) ? (total("PASS") > 0 ? "PASS" : "UNRUN") : "FAIL"}: ${total("PASS")} passed, ${total("FAIL")} failed, ${total("UNRUN")} not run`,
  );
}
