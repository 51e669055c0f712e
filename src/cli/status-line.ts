import { PAUSE, redraws, rowOf } from "./terminal.ts";

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
      if (isLive) stream.write(`\r${rowOf(stream, line)}\x1b[K`);
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
