import { fstatSync, writeSync } from "node:fs";

/**
 * A reader that goes away (`| head`, `2>&1 | less`) is not an error: without one on standard output there
 * is nothing left to do, but where `goesOn`; without one on standard error there is. `failed` reports any
 * other fault, and returns the exit code.
 */
export function guardStreams(goesOn: () => boolean, failed: (error: Error) => number): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") process.exit(failed(new Error(`standard output cannot be written: ${error.message}`)));
    if (!goesOn()) process.exit();
  });
  process.stderr.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") process.exitCode ??= 1; // what cannot be said is lost; the work is not
  });
  if (isFile(process.stdout.fd)) process.stdout._write = writeWhole;
}

const isFile = (fd: number): boolean => {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false; // closed
  }
};

/** Node writes a file with one call, and takes what a disk that fills up leaves out for written. */
function writeWhole(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
  try {
    for (let at = 0; at < chunk.length; ) at += writeSync(process.stdout.fd, chunk, at);
    done();
  } catch (error) {
    done(error as Error);
  }
}
