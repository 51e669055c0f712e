#!/usr/bin/env node
// The command line: a dispatch table, and the one place where errors become a line and an exit code.
import { Command, CommanderError } from "commander";
import { HyperthinkError } from "../base/errors.ts";
import { PROGRAM } from "../base/program.ts";
import { registerCompare } from "./compare.ts";
import { registerDemo } from "./demo.ts";
import { registerEval } from "./eval.ts";
import { registerGenerate } from "./generate.ts";
import { registerInspect } from "./inspect.ts";
import { registerPolicies } from "./policies.ts";
import { registerPretrain } from "./pretrain.ts";
import { registerReport } from "./report.ts";
import { registerReproduce } from "./reproduce.ts";
import { registerRetrofit } from "./retrofit.ts";
import { registerScale } from "./scale.ts";
import { guardStreams } from "./streams.ts";
import { registerTasks } from "./tasks.ts";
import { message } from "./terminal.ts";
import { registerVerify } from "./verify.ts";

const program = new Command("hyperthink")
  .description("Better answers from reasoning models out of the same memory.")
  .version(PROGRAM.version)
  .showHelpAfterError("(--help shows what is expected)")
  .exitOverride();
for (const register of [
  registerGenerate,
  registerScale,
  registerInspect,
  registerVerify,
  registerPolicies,
  registerCompare,
  registerEval,
  registerTasks,
  registerReport,
  registerReproduce,
  registerPretrain,
  registerRetrofit,
  registerDemo,
])
  register(program);
for (const command of program.commands) {
  const dash = command.registeredArguments.some((argument) => argument.name() === "prompt");
  const hint = dash ? "; a prompt that begins with a dash goes after --" : "";
  command.exitOverride().showHelpAfterError(`(--help shows what is expected${hint})`);
}

/** Commands that are run for more than what they print: an exit code, or files. */
const GO_ON = ["verify", "compare", "report"];
guardStreams(() => GO_ON.includes(program.args[0]), report);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** Prints one line and returns the exit code: 2 for bad arguments, 130 for Ctrl-C, 1 for all else. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // commander has printed it
  if (process.env.HYPERTHINK_DEBUG === "1") console.error(error);
  else process.stderr.write(`error: ${message(error instanceof Error ? error.message : String(error))}\n`);
  if (!(error instanceof HyperthinkError)) return 1;
  return error.code === "bad-argument" ? 2 : error.code === "aborted" ? 130 : 1;
}
