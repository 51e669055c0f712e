import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ISOLATIONS, type Isolation } from "../../src/eval/sandbox/launch.ts";
import { openSandbox, type Sandbox } from "../../src/eval/sandbox/sandbox.ts";

/** What isolates programs here, and for what does not, why. */
export const sandboxes: { isolation: Isolation; sandbox: Sandbox | null; why: string }[] = await Promise.all(
  ISOLATIONS.map(async (isolation) => {
    try {
      return { isolation, sandbox: await openSandbox({ isolation }), why: "" };
    } catch (error) {
      return { isolation, sandbox: null, why: (error as Error).message };
    }
  }),
);

/** One that works, for tests that are about something else. */
export const anySandbox: Sandbox | null = sandboxes.find(({ sandbox }) => sandbox !== null)?.sandbox ?? null;
export const noSandbox = anySandbox ? false : `UNRUN: ${sandboxes.map(({ why }) => why).join("; ")}`;

export interface Seen {
  pid: number;
  status: Map<string, string>; // of /proc/PID/status
}

/** Processes of this machine that go by that name, as its own /proc has them. */
export function processesNamed(name: string): Seen[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => {
      try {
        const lines = readFileSync(`/proc/${pid}/status`, "utf8").trim().split("\n");
        const status = new Map(lines.map((line) => line.split(/:\s*/, 2) as [string, string]));
        return status.get("Name") === name && !status.get("State")?.startsWith("Z")
          ? [{ pid: Number(pid), status }]
          : [];
      } catch {
        return []; // it has ended meanwhile
      }
    });
}

let names = 0;
/** A name that no other process goes by, and Python that takes it, for itself and what it forks. */
export function named(): { name: string; take: string } {
  const name = `h${process.pid}-${names++}`;
  return { name, take: `import ctypes\nctypes.CDLL(None).prctl(15, b"${name}")\n` };
}

/** Looks until it sees something, 20 seconds at most. */
export async function until<T>(look: () => T | undefined | false): Promise<T> {
  for (const last = performance.now() + 20_000; performance.now() < last; await sleep(5)) {
    const seen = look();
    if (seen) return seen;
  }
  throw new Error("nothing was seen for 20 seconds");
}
