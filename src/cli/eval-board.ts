import { createLogUpdate } from "log-update";
import { duration } from "../base/duration.ts";
import { visible } from "../base/visible.ts";
import type { EvaluateEvent } from "../eval/harness/evaluate.ts";
import type { StandingRow, SummaryRow } from "../eval/harness/standing.ts";
import type { Interval } from "../eval/metrics/interval.ts";
import { count, counted, table } from "./format.ts";
import { note } from "./open.ts";
import { PAUSE, redraws } from "./terminal.ts";

type Start = EvaluateEvent & { type: "start" };

/** How an evaluation goes on: a bar over a table that is redrawn, or a line now and then. */
export interface EvalBoard {
  start(start: Start): void;
  say(text: string): void;
  /** Draws nothing while others may write. */
  rest<T>(work: () => Promise<T>): Promise<T>;
  done(): void;
}

/** Milliseconds between redraws. */
const FRAME = 250;
/** Lines of a terminal that the table leaves free. */
const FREE = 5;

export function openEvalBoard(stream: NodeJS.WriteStream, clock = () => performance.now()): EvalBoard {
  const isLive = redraws(stream);
  const draw = createLogUpdate(stream);
  let run: { start: Start; began: number } | null = null;
  let timer: NodeJS.Timeout | undefined;
  let resting = false;
  const status = () => statusLine(run!.start.progress, (clock() - run!.began) / 1000);
  const frame = () => {
    const lines = standingTable(run!.start.standings.rows()).split("\n");
    const most = Math.max(4, (stream.rows ?? 24) - FREE);
    const shown = lines.slice(0, most);
    if (lines.length > most) shown[most - 1] = `and ${counted(lines.length - most + 1, "more row")}`;
    // A line that wraps could not be redrawn.
    return [bar(run!.start.progress), status(), ...shown]
      .map((line) => line.slice(0, (stream.columns ?? 80) - 1))
      .join("\n");
  };
  let said = "";
  const show = () => {
    if (!run || resting) return;
    if (isLive) draw(frame());
    else if (status() !== said) {
      said = status();
      stream.write(`${said}\n`);
    }
  };
  return {
    start(start) {
      run = { start, began: clock() };
      timer = setInterval(show, isLive ? FRAME : PAUSE).unref();
      show();
    },
    say(text) {
      if (run && isLive) draw.clear();
      note(text);
    },
    async rest(work) {
      if (run && isLive) draw.clear();
      resting = true;
      try {
        return await work();
      } finally {
        resting = false;
      }
    },
    done() {
      clearInterval(timer);
      show();
      if (run && isLive) draw.done();
      run = null;
    },
  };
}

const BAR = 30;

function bar({ chains, done }: Start["progress"]): string {
  const filled = Math.floor((BAR * done) / Math.max(1, chains));
  return `[${"#".repeat(filled)}${".".repeat(BAR - filled)}] ${((100 * done) / Math.max(1, chains)).toFixed(0)}%`;
}

/** "132 of 960 chains, 4,210 tokens/s, 12 min left". */
export function statusLine({ chains, done, found, tokens }: Start["progress"], seconds: number): string {
  const parts = [`${count(done)} of ${counted(chains, "chain")}`];
  if (seconds > 0 && tokens > 0) parts.push(`${count(tokens / seconds)} tokens/s`);
  const now = done - found; // those found in the folder took no time
  if (now > 0 && done < chains) parts.push(`${duration((seconds / now) * (chains - done))} left`);
  return parts.join(", ");
}

const percent = (share: number | null): string => (share === null ? "-" : (100 * share).toFixed(1));
const average = ({ by, average: value }: StandingRow): string =>
  by === "perplexity" ? (value?.toFixed(3) ?? "-") : percent(value);

/** What all chains of a problem score together: "maj@8 66.7". */
const jointName = ({ by, width }: { by: StandingRow["by"]; width: number }): string =>
  by === "vote" ? `maj@${width}` : by === "pass" ? `pass@${width}` : "";

/** How good a row is, more being better; null: nothing is known yet. */
const worth = ({ average, joint, by }: StandingRow): number | null =>
  average === null ? null : by === "perplexity" ? -average : (joint ?? average);

/** Rows of each task by what they read, and whether no cheaper or equally dear one scores as well. */
export function frontierRows<T>(rows: readonly T[], standingOf: (row: T) => StandingRow): [row: T, isBest: boolean][] {
  const tasks = Map.groupBy(rows, (row) => standingOf(row).task);
  return [...tasks.values()].flatMap((some) => {
    const known = (row: T) => Number(worth(standingOf(row)) !== null);
    const order = some.toSorted((a, b) => {
      const [x, y] = [standingOf(a), standingOf(b)];
      return known(b) - known(a) || x.reads - y.reads || (worth(y) ?? 0) - (worth(x) ?? 0);
    });
    let reached = Number.NEGATIVE_INFINITY;
    return order.map((row): [T, boolean] => {
      const score = worth(standingOf(row));
      const isBest = score !== null && standingOf(row).average !== 0 && score > reached; // nothing right is not best
      if (isBest) reached = score;
      return [row, isBest];
    });
  });
}

const LEGEND = "* best for its reads";

export function standingTable(rows: readonly StandingRow[]): string {
  return byTask(
    frontierRows(rows, (row) => row),
    ["problems", "avg@1", "together", "CR", "reads"],
    (row) => [
      `${row.problems} of ${row.of}`,
      average(row),
      row.joint === null ? "-" : `${jointName(row)} ${percent(row.joint)}`,
      row.cr.toFixed(2),
      count(row.reads),
    ],
  );
}

/** One table, each task's name over its settings. */
function byTask<T extends { task: string; setting: string }>(
  marked: readonly [row: T, isBest: boolean][],
  head: readonly string[],
  cells: (row: T) => string[],
): string {
  const rows = marked.map(([row]) => row);
  const [names, line, ...settings] = table([
    [LEGEND, ...head],
    ...marked.map(([row, isBest]) => [`${isBest ? "*" : " "} ${visible(row.setting)}`, ...cells(row)]),
  ]).split("\n");
  const below = settings.flatMap((text, i) =>
    rows[i].task === rows[i - 1]?.task ? [text] : [visible(rows[i].task), text],
  );
  return [names, line, ...below].join("\n");
}

const within = ({ mean, low, high }: Interval, show: (value: number) => string): string =>
  `${show(mean)} [${show(low)}, ${show(high)}]`;

/** The result: accuracies in percent with their 95% intervals by problem, the cheapest setting of a task first. */
export function summaryTable(rows: readonly SummaryRow[]): string {
  const head = ["problems", "avg@1 [95%]", "together [95%]", "CR", "reads", "tokens"];
  const means = (row: SummaryRow) => ({ ...row, average: row.average?.mean ?? null, joint: row.joint?.mean ?? null });
  return byTask(frontierRows(rows, means), [...head, "cut off", "no answer", "failed", "looped"], (row) => [
    String(row.problems),
    row.average === null ? "-" : within(row.average, row.by === "perplexity" ? (value) => value.toFixed(3) : percent),
    row.joint === null ? "-" : `${jointName(row)} ${within(row.joint, percent)}`,
    row.cr.toFixed(2),
    count(row.reads),
    count(row.tokens),
    ...[row.truncated, row.abstained, row.failed, row.looped].map(String),
  ]);
}
