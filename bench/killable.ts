import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { here } from "./before.ts";

/** Runs the program, and kills it after so many milliseconds. Whether it ended first; throws where it failed. */
export async function runOrKill(command: readonly string[], cwd: string, after: number): Promise<boolean> {
  const program = [join(here, "src/cli/main.ts"), ...command];
  const child = spawn(process.execPath, program, { cwd, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  const timer = after === Infinity ? undefined : setTimeout(() => child.kill("SIGKILL"), after);
  const [code, signal] = await once(child, "exit");
  clearTimeout(timer);
  if (signal === "SIGKILL") return false;
  if (code !== 0) throw new Error(`${command[0]} ended with ${code}: ${said}`);
  return true;
}
