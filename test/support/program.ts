import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

export interface Outcome {
  code: number | null;
  out: string;
  err: string;
}

/** The program as a user runs it. `input`: text, or an open file; `out`: a file that takes its standard output. */
export function program(
  args: readonly string[],
  {
    input = "",
    env = {},
    out,
  }: { input?: string | Uint8Array | number; env?: Record<string, string>; out?: number } = {},
): Outcome {
  const child = spawnSync(process.execPath, [main, ...args], {
    ...(typeof input === "number" ? {} : { input }),
    env: { ...process.env, ...env },
    encoding: "utf8",
    timeout: 300_000,
    stdio: [typeof input === "number" ? input : "pipe", out ?? "pipe", "pipe"],
  });
  return { code: child.status, out: child.stdout ?? "", err: child.stderr };
}
