// What is shown of an answer and of who chose it.
import type { ScaleResult } from "../scale/scale.ts";
import type { VoteGroup } from "../scale/vote.ts";
import { counted } from "./format.ts";
import { oneLine, printable } from "./terminal.ts";

const MOST_RIVALS = 3;
const MOST_REASONS = 5;
const MOST_CHAINS = 12;

/** What a group's votes weigh: chains, where each counts as one; "-" where none has a vote. */
export const weightOf = ({ count, weight }: VoteGroup): string =>
  weight === undefined ? `${count}` : weight === null ? "-" : `${Number(weight.toPrecision(4))}`;

/** The answer first; a winner by the order of chains is shown as a tie. */
export function answerLines(result: ScaleResult): string[] {
  const { answer, aggregator, chosen, groups, chains } = result;
  if (aggregator === "majority") return [answer === null ? "answer none: every chain abstained" : voted(result)];
  const reasons = reasonLines(result);
  if (chosen === null) return [`answer none: no chain has a vote of ${aggregator}`, ...reasons];
  if (answer !== null)
    return [
      `${voted(result)}, as chain ${chosen} has it; chosen by ${aggregator}`,
      `weights ${weights(groups)}`,
      ...reasons,
    ];
  const { text } = chains.find(({ chain }) => chain === chosen)!;
  return [`answer none that could be read; chain ${chosen}, chosen by ${aggregator}:`, printable(text), ...reasons];
}

function voted({ answer, groups, tied, aggregator }: ScaleResult): string {
  const shown = `answer ${oneLine(answer!)}`;
  if (tied.length === 0) return shown;
  const rivals = tied.slice(0, MOST_RIVALS).map(({ text }) => oneLine(text));
  if (tied.length > MOST_RIVALS) rivals.push(`${tied.length - MOST_RIVALS} more`);
  const each = aggregator === "majority" ? counted(groups[0].count, "chain") : weightOf(groups[0]);
  return `${shown} (tied with ${new Intl.ListFormat("en").format(rivals)}: ${each} each; the lowest chain decides)`;
}

function weights(groups: readonly VoteGroup[]): string {
  const shown = groups.slice(0, MOST_RIVALS + 1).map((group) => `${oneLine(group.text)}: ${weightOf(group)}`);
  return [...shown, ...(groups.length > shown.length ? [`${groups.length - shown.length} more`] : [])].join("   ");
}

/** Why chains with an answer, or that a verifier was asked about, have no vote. */
function reasonLines({ votes, chains }: ScaleResult): string[] {
  const silent = new Set(chains.flatMap(({ chain, answer }) => (answer.kind === "abstain" ? [chain] : [])));
  const told = votes.filter(({ chain, why, score }) => why !== null && !(silent.has(chain) && score === undefined));
  const reasons = [...Map.groupBy(told, ({ why }) => why!)].map(([why, of]) => {
    const names = of.slice(0, MOST_CHAINS).map(({ chain }) => `${chain}`);
    const more = of.length > names.length ? ` and ${of.length - names.length} more` : "";
    return `no vote of ${of.length === 1 ? "chain" : "chains"} ${names.join(", ")}${more}: ${oneLine(why)}`;
  });
  const left = reasons.length - MOST_REASONS;
  return left > 0
    ? [...reasons.slice(0, MOST_REASONS), `and ${counted(left, "more reason")} (--json lists all)`]
    : reasons;
}
