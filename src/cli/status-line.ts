import { redraws } from "./terminal.ts";

/** Milliseconds between lines where nothing can be redrawn. */
const PAUSE = 10_000;

/** How work goes on: one line that is redrawn where a terminal can, else a line now and then. */
export interface StatusLine {
  show(line: string): void;
  /** Leaves nothing of it in place; the next one begins anew. */
  clear(): void;
}

export function openStatusLine(
  stream: NodeJS.WriteStream,
  clock: () => number = () => performance.now(),
  isLive = redraws(stream),
): StatusLine {
  let last = clock();
  return {
    show(line) {
      // A line that wraps could not be redrawn.
      if (isLive) stream.write(`\r${line.slice(0, Math.max(20, stream.columns ?? 80) - 1)}\x1b[K`);
      else if (clock() - last >= PAUSE) {
        last = clock();
        stream.write(`${line}\n`);
      }
    },
    clear() {
      if (isLive) stream.write("\r\x1b[K");
    },
  };
}
