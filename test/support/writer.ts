import { spawn } from "node:child_process";
import { once } from "node:events";

const lock = JSON.stringify(new URL("../../src/train/disk/lock.ts", import.meta.url).href);

/** Another program that writes to a folder, until it is killed. */
export async function otherWriter(folder: string): Promise<{ pid: number; kill: () => Promise<void> }> {
  const held = `import { FolderLock } from ${lock};
    FolderLock.take(${JSON.stringify(folder)}); console.log("held"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", held], { stdio: ["ignore", "pipe", "inherit"] });
  const gone = once(child, "exit");
  await once(child.stdout, "data");
  const kill = async () => {
    child.kill("SIGKILL");
    await gone;
  };
  return { pid: child.pid!, kill };
}
