import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { here } from "./before.ts";

/**
 * Runs a retrofit into `out`, unless a finished one is there; an interrupted one goes on. Its progress is shown; ends
 * this program where it fails. Throws where the folder's run was asked for with other options.
 */
export async function retrofitted(options: readonly string[], out: string): Promise<void> {
  const asked = JSON.stringify(options.map((word) => word.replace(here, "")));
  const beside = `${out}.options.json`;
  const made = existsSync(beside) ? readFileSync(beside, "utf8") : "options that nothing tells";
  if (existsSync(out) && made !== asked)
    throw new Error(`${out}: made with ${made}, asked for with ${asked}: give another --out, or remove that folder`);
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(beside, asked);
  if (existsSync(join(out, "training.json"))) return;
  const command = [join(here, "src/cli/main.ts"), "retrofit", ...options, "--out", out];
  const child = spawn(process.execPath, command, { stdio: ["ignore", "ignore", "inherit"] });
  const [code] = await once(child, "exit");
  if (code !== 0) process.exit(1);
}
