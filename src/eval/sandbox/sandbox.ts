// Programs that a model wrote, run so that they reach nothing: no network, no file but the interpreter's (to read) and
// a folder in memory that goes with them (to write), no process but their own, no right of any kind, and limits on all
// they use. python/jail.py makes the folders and drops the rights, python/launcher.py watches over it.

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type HyperthinkError, unsupported } from "../../base/errors.ts";
import { findInterpreter, type Interpreter } from "./interpreter.ts";
import { ISOLATIONS, type Isolation, launch, type Program, type Ran } from "./launch.ts";

export interface SandboxOptions {
  python?: string; // default python3
  isolation?: Isolation; // default: the first that works, and rather one with a uid of its own
  packages?: boolean; // whether programs may import what is installed beside the standard library, default false
}

export interface Sandbox {
  readonly isolation: Isolation;
  readonly ownUid: boolean; // whether programs run as this process's user: without its rights, files or processes
  readonly python: string; // version
  /**
   * Runs a program to its end, or to the first limit it meets; no process of it is left then. Throws `bad-argument` for
   * limits out of range, `aborted`, and `unsupported` where the sandbox itself cannot be made (any more).
   */
  run(program: Program): Promise<Ran>;
}

const opened = new Map<string, Promise<Sandbox>>();

/**
 * A sandbox that has been tried: a program in it found nothing of this machine. Asked once, remembered while this
 * process lives. Throws `unsupported` where nothing isolates, naming what was tried and what to install.
 */
export function openSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { python = "python3", isolation, packages = false } = options;
  const key = JSON.stringify([python, isolation, packages]);
  let sandbox = opened.get(key);
  if (!sandbox) {
    sandbox = open(python, isolation ? [isolation] : ISOLATIONS, packages);
    opened.set(key, sandbox);
    sandbox.catch(() => opened.delete(key));
  }
  return sandbox;
}

async function open(python: string, isolations: readonly Isolation[], packages: boolean): Promise<Sandbox> {
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64"))
    throw unsupported(
      `programs run isolated on Linux alone, x64 or arm64, not on ${process.platform} ${process.arch}: use a Linux machine or a virtual one`,
    );
  const interpreter = await findInterpreter(python);
  const tried: string[] = [];
  const works: Sandbox[] = [];
  for (const isolation of isolations) {
    const found = await attempt(isolation, interpreter, packages);
    if (typeof found === "string") tried.push(`${isolation}: ${found}`);
    else works.push(found);
    if (works.at(-1)?.ownUid === false) break;
  }
  const best = works.find(({ ownUid }) => !ownUid) ?? works[0];
  if (best) return best;
  throw unsupported(
    `programs are not run, as nothing here keeps them apart (${tried.join("; ")}): install bubblewrap 0.7 or later, or ` +
      "allow user namespaces (kernel.unprivileged_userns_clone = 1, kernel.apparmor_restrict_unprivileged_userns = 0), and " +
      "in a container, run it with those rights",
  );
}

/** Finds nothing of the machine, or says what it found. Printed by the program in the sandbox. */
const SELF_TEST = `
import os, socket
found = [path for path in ("/etc/passwd", "/proc/1", "/root/.bashrc", "/var", "/sys/kernel") if os.path.exists(path)]
try:
    socket.socket()
    found.append("a socket")
except PermissionError:
    pass
for path in ("/here", "/program/here", "/dev/here"):
    try:
        open(path, "w")
        found.append(path)
    except OSError:
        pass
open("/scratch/here", "w").write("x")
with open("/dev/null", "w") as null:
    null.write("x")
print(found or "nothing", os.getuid())
`;

async function attempt(isolation: Isolation, interpreter: Interpreter, packages: boolean): Promise<Sandbox | string> {
  const bubblewrap = isolation === "bubblewrap" ? onPath("bwrap") : null;
  if (isolation === "bubblewrap" && bubblewrap === null) return "bwrap is not installed";
  if (!interpreter.children) return "the kernel does not list a process's children (CONFIG_PROC_CHILDREN)";
  const place = { isolation, bubblewrap, interpreter, packages };
  try {
    const { status, stdout, stderr, ownUid } = await launch(place, { source: SELF_TEST });
    if (status !== "ok" || stdout !== "nothing 65534\n")
      return `a program in it found ${stdout.trim() || `${status} ${stderr.trim().split("\n").at(-1)}`}`;
    return { isolation, ownUid, python: interpreter.version, run: (program) => launch(place, program) };
  } catch (error) {
    return (error as HyperthinkError).message.replace(/^the sandbox could not be made: /, "");
  }
}

const onPath = (name: string): string | null =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => path.startsWith("/") && existsSync(path)) ?? null;
