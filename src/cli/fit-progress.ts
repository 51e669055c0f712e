import { duration } from "../base/duration.ts";
import type { FitProgress } from "../train/fit/fit.ts";
import { openStatusLine } from "./status-line.ts";

const WORDS = { reading: "reading prompt", learning: "learned layer", judging: "judging by prompt" };

/** How a fit goes on. */
export function fitProgress(
  stream: NodeJS.WriteStream,
  clock: () => number = () => performance.now(),
  isLive?: boolean,
): { show(progress: FitProgress): void; done(): void } {
  const status = openStatusLine(stream, clock, isLive);
  let part: FitProgress["part"] | null = null;
  let started = 0;
  return {
    show({ part: now, done, total }) {
      if (now !== part) [part, started] = [now, clock()];
      const left =
        done === 0 || done === total ? "" : `, ${duration(((clock() - started) / done / 1000) * (total - done))} left`;
      status.show(`${WORDS[now]} ${Math.min(total, now === "learning" ? done : done + 1)} of ${total}${left}`);
    },
    done: () => status[Symbol.dispose](),
  };
}
