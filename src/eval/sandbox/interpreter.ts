import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";
import { unsupported } from "../../base/errors.ts";
import { visible } from "../../base/visible.ts";

const shape = z.object({
  python: z.string(), // its real path; of a virtual environment, that of the interpreter it was made from
  version: z.string(),
  folders: z.array(z.string()), // its standard library
  packages: z.array(z.string()), // what was installed beside it
  libraries: z.array(z.string()), // folders of shared libraries
  files: z.array(z.tuple([z.string(), z.string()])), // itself and its shared libraries: path, and where it really lies
  devices: z.array(z.string()),
  links: z.array(z.tuple([z.string(), z.string()])), // path, target
  children: z.boolean(), // whether the kernel lists a process's children
});

/** A Python, and the files that it consists of. */
export type Interpreter = z.infer<typeof shape>;

/** Which program of ours in Python lies where. */
export const pythonFile = (name: string): string => fileURLToPath(new URL(`../../../python/${name}`, import.meta.url));

/** What a program sees of the machine: all else in its root folder is made for it. */
export interface View {
  reads: [path: string, real: string][]; // files and folders, read-only
  hidden: string[]; // empty folders instead
  devices: string[];
  links: [path: string, target: string][];
}

/** The interpreter's files alone; with `packages` also these, and all shared libraries that they may load. */
export function viewOf({ folders, packages, libraries, files, devices, links }: Interpreter, all: boolean): View {
  const within = (path: string, of: readonly string[]) => of.some((folder) => path.startsWith(`${folder}/`));
  const hidden = all ? [] : packages.filter((path) => within(path, folders));
  const more = all ? [...packages, ...libraries] : [];
  const shown = [...folders, ...more].filter((path, _, every) => !within(path, every));
  return {
    reads: [...shown.map((path): [string, string] => [path, path]), ...files.filter(([path]) => !within(path, shown))],
    hidden,
    devices,
    links: links.filter(([path]) => !within(path, shown)),
  };
}

/** Asks a Python where its files are. Throws `unsupported` where there is none, or one older than 3.9. */
export async function findInterpreter(python: string): Promise<Interpreter> {
  const ask = async (...options: string[]) =>
    (
      await promisify(execFile)(python, ["-I", "-S", "-B", ...options], {
        timeout: 60_000,
        env: { PATH: process.env.PATH ?? "" },
      })
    ).stdout;
  try {
    const version = await ask("-c", "import sys; print(sys.version_info[0] * 100 + sys.version_info[1])");
    if (!(Number(version) >= 309)) throw new Error("it is older than 3.9");
    return shape.parse(JSON.parse(await ask(pythonFile("interpreter.py"))));
  } catch (error) {
    const why = visible((error as Error).message.trim().split("\n").at(-1)!);
    throw unsupported(
      `programs are run by Python 3.9 or later: ${python} is not usable (${why}); install Python, or name another one`,
    );
  }
}
