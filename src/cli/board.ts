import { createLogUpdate } from "log-update";
import type { Extraction } from "../scale/answer.ts";
import type { Merge } from "../scale/equality/merge.ts";
import type { ChainResult, ScaleEvent, ScaleResult } from "../scale/scale.ts";
import type { VoteGroup } from "../scale/vote.ts";
import { answerLines, weightOf } from "./chosen.ts";
import { count, counted, size } from "./format.ts";
import { cell, oneLine, redraws, tail } from "./terminal.ts";

/** Shows the events of one `scale` call: redrawn where a terminal can, a line per ended chain and vote elsewhere. */
export interface Board {
  show(event: ScaleEvent): void;
}

export const openBoard = (stream: NodeJS.WriteStream): Board =>
  redraws(stream) ? new LiveBoard(stream) : new PlainBoard(stream);

const startLine = ({ width, promptTokens, policy }: ScaleEvent & { type: "start" }): string =>
  `${counted(width, "chain")} over a prompt of ${counted(promptTokens, "token")}, policy ${policy}`;
const answerText = (answer: Extraction): string =>
  answer.kind === "answer" ? `= ${oneLine(answer.text)}` : `(${answer.reason.replaceAll("-", " ")})`;
const voteText = (groups: readonly VoteGroup[], abstained: number): string =>
  [
    ...groups.map((group) => `${oneLine(group.text)}: ${weightOf(group)}`),
    ...(abstained ? [`abstained: ${abstained}`] : []),
  ].join("   ");

const mergeLine = ({ spellings: [first, second], by, why }: Merge): string =>
  `merged ${oneLine(first)} and ${oneLine(second)}: ${by}, ${why}`;

const verifyLine = ({ verifier, chains }: ScaleEvent & { type: "verify" }): string =>
  `${counted(chains, "chain")} to score: ${oneLine(verifier.slice(0, 100))}`;

export function usageLines(result: ScaleResult): string[] {
  const { usage } = result;
  return [
    ...answerLines(result),
    ...result.merges.map(mergeLine),
    `${counted(result.chains.length, "chain")}, ${counted(usage.tokens, "token")} over a prompt of ${usage.promptTokens}; ${counted(usage.kvReads, "KV read")} where the full cache ` +
      `takes ${count(usage.fullReads)} (${usage.compressionRatio.toFixed(2)}x smaller); peak ${counted(usage.peakPages, "page")} = ${size(usage.peakBytes)}`,
    ...(result.stopped
      ? [
          `${counted(result.stopped, "chain")} stopped once the vote was decided: at most ${counted(result.savedTokens, "token")} saved`,
        ]
      : []),
  ];
}

class PlainBoard implements Board {
  readonly #stream: NodeJS.WriteStream;
  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show(event: ScaleEvent): void {
    const line = (text: string) => this.#stream.write(`${text}\n`);
    if (event.type === "start") line(startLine(event));
    else if (event.type === "chain") {
      const { chain, tokens, answer, kvReads } = event.result;
      line(`chain ${chain}: ${counted(tokens, "token")}, ${counted(kvReads, "KV read")} ${answerText(answer)}`);
    } else if (event.type === "vote")
      line(`vote: ${voteText(event.groups, event.abstained)}${event.decided && event.running ? "  decided" : ""}`);
    else if (event.type === "verify") line(verifyLine(event));
    else if (event.type === "result") for (const text of usageLines(event.result)) line(text);
  }
}

interface Line {
  text: string;
  tokens: number;
  keys: number;
  result: ChainResult | null;
}

/** At most this many redraws a second: drawing must not cost the chains their cores. */
const FRAMES = 12;
const MOST_LINES = 24;
const MOST_GROUPS = 3;

class LiveBoard implements Board {
  readonly #stream: NodeJS.WriteStream;
  readonly #draw: ReturnType<typeof createLogUpdate>;
  #lines: Line[] = [];
  #head = "";
  #groups: VoteGroup[] = [];
  #abstained = 0;
  #last = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#draw = createLogUpdate(stream);
  }

  show(event: ScaleEvent): void {
    if (event.type === "start") {
      this.#head = startLine(event);
      this.#lines = Array.from({ length: event.width }, () => ({ text: "", tokens: 0, keys: 0, result: null }));
    } else if (event.type === "text") {
      const line = this.#lines[event.chain];
      line.text = (line.text + event.text).slice(-400);
      line.tokens = event.tokens;
      line.keys = event.liveKeys;
    } else if (event.type === "chain") this.#lines[event.result.chain].result = event.result;
    else if (event.type === "vote") {
      this.#groups = event.groups;
      this.#abstained = event.abstained;
    } else if (event.type === "verify") this.#head = verifyLine(event);
    const now = performance.now();
    if (event.type === "result") {
      this.#draw(this.#frame().join("\n"));
      this.#draw.done();
      this.#stream.write(`\n${usageLines(event.result).join("\n")}\n`);
    } else if (event.type !== "text" || now - this.#last > 1000 / FRAMES) {
      this.#last = now;
      this.#draw(this.#frame().join("\n"));
    }
  }

  #frame(): string[] {
    const columns = Math.max(40, this.#stream.columns ?? 80);
    const chains = this.#lines.slice(0, MOST_LINES).map((line, i) => {
      const facts = `${String(i).padStart(3)} ${String(line.tokens).padStart(5)} tok ${String(Math.round(line.keys)).padStart(5)} keys `;
      return facts + tail(line.result ? answerText(line.result.answer) : line.text, columns - facts.length - 1);
    });
    if (this.#lines.length > MOST_LINES)
      chains.push(`    and ${counted(this.#lines.length - MOST_LINES, "more chain")}`);
    const amount = ({ count, weight }: VoteGroup) => (weight === undefined ? count : Math.max(0, weight ?? 0));
    const [first] = this.#groups;
    const most = first?.weight === undefined ? Math.max(1, this.#lines.length) : amount(first) || 1;
    const votes: [name: string, bar: string, n: string][] = this.#groups
      .slice(0, MOST_GROUPS)
      .map((group) => [group.text, "█".repeat(Math.ceil((30 * amount(group)) / most)), weightOf(group)]);
    if (this.#groups.length > MOST_GROUPS) votes.push(["others", "", `${this.#groups.length - MOST_GROUPS}`]);
    if (this.#abstained) votes.push(["abstained", "", `${this.#abstained}`]);
    // A frame of constant height: log-update 7.2 loses a line when one is inserted above others that stay.
    while (votes.length < MOST_GROUPS + 2) votes.push(["", "", ""]);
    return [
      this.#head,
      ...chains,
      "vote",
      ...votes.map(([name, bar, n]) => `  ${cell(name, 20)} ${bar} ${n}`.trimEnd()),
    ];
  }
}
