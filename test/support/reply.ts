// What a chain said, made up.
import type { Reply, VoteTask } from "../../src/eval/tasks/task.ts";
import { equalKeys } from "../../src/eval/tasks/task.ts";

/** A reply that ended by itself, of a chat model that does not think. */
export const reply = (text: string, other: Partial<Reply> = {}): Reply => ({
  text,
  finished: true,
  thinking: null,
  opened: false,
  style: "chat",
  ...other,
});

/** The score of a reply to an item; null where it abstains. */
export async function scoreOf<I extends { id: string; question: string; gold: string }>(
  task: VoteTask<I>,
  item: I,
  text: string,
  other: Partial<Reply> = {},
): Promise<number | null> {
  const answer = task.extract(item, reply(text, other));
  if (answer.kind === "abstain") return null;
  const worth = await task.grade(item, answer, equalKeys);
  return typeof worth === "number" ? worth : worth.score;
}
