import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { here } from "./before.ts";

/**
 * Runs a retrofit into `out`, unless a finished one is there; an interrupted one goes on. Its progress is shown; ends
 * this program where it fails.
 */
export async function retrofitted(options: readonly string[], out: string): Promise<void> {
  if (existsSync(join(out, "training.json"))) return;
  const command = [join(here, "src/cli/main.ts"), "retrofit", ...options, "--out", out];
  const child = spawn(process.execPath, command, { stdio: ["ignore", "ignore", "inherit"] });
  const [code] = await once(child, "exit");
  if (code !== 0) process.exit(1);
}
