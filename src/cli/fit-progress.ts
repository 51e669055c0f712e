import { duration } from "../base/duration.ts";
import type { FitProgress } from "../train/fit.ts";
import { redraws } from "./terminal.ts";

const WORDS = { reading: "reading prompt", learning: "learned layer", judging: "judging by prompt" };
/** Milliseconds between lines where nothing can be redrawn. */
const PAUSE = 10_000;

/** How a fit goes on: one line that is redrawn where a terminal can, else a line now and then. */
export function fitProgress(
  stream: NodeJS.WriteStream,
  clock: () => number = () => performance.now(),
  isLive = redraws(stream),
): { show(progress: FitProgress): void; done(): void } {
  let part: FitProgress["part"] | null = null;
  let [started, last] = [0, clock()];
  return {
    show({ part: now, done, total }) {
      if (now !== part) [part, started] = [now, clock()];
      const left =
        done === 0 || done === total ? "" : `, ${duration(((clock() - started) / done / 1000) * (total - done))} left`;
      const line = `${WORDS[now]} ${Math.min(total, now === "learning" ? done : done + 1)} of ${total}${left}`;
      if (isLive) stream.write(`\r${line.slice(0, Math.max(20, stream.columns ?? 80) - 1)}\x1b[K`);
      else if (clock() - last >= PAUSE) {
        last = clock();
        stream.write(`${line}\n`);
      }
    },
    done() {
      if (isLive) stream.write("\r\x1b[K");
    },
  };
}
