import { redraws } from "./terminal.ts";

/** Milliseconds between lines where nothing can be redrawn. */
const PAUSE = 10_000;

/** How work goes on: one line, redrawn where a terminal can and gone at its end; else a line now and then. */
export interface StatusLine extends Disposable {
  show(line: string): void;
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
    [Symbol.dispose]() {
      if (isLive) stream.write("\r\x1b[K");
    },
  };
}
