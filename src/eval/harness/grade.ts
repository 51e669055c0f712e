// What the chains of a problem answered, which answers are one, and what each is worth.

import { badArgument } from "../../base/errors.ts";
import { visible } from "../../base/visible.ts";
import { brief } from "../../model/brief.ts";
import type { Thinking } from "../../request/thinking.ts";
import type { Equality } from "../../scale/equality/equality.ts";
import { gradeAnswer } from "../../scale/equality/grade.ts";
import { type Merge, mergeGroups } from "../../scale/equality/merge.ts";
import type { VoteGroup } from "../../scale/vote.ts";
import type { Spelling, Tie } from "../metrics/chain.ts";
import { type Answered, extractReply, type Style, type VoteTask } from "../tasks/task.ts";
import type { Question } from "./asked.ts";
import type { EndedChain } from "./chains.ts";
import type { RecordedChain } from "./record.ts";

export interface GradeOptions {
  equality: Equality;
  thinking: Thinking | null;
  style: Style;
}

/** What a record has of a chain besides where it belongs. */
export type GradedChain = Omit<RecordedChain, "task" | "setting" | "problem" | "seed">;

/**
 * Chains of one problem, by index. Equal answers share the key and the score of the lowest chain's; each says how its
 * spelling was found equal to another, and to the gold one. Throws
 * `bad-argument` where what a task extracts is no answer, or its grade is none.
 */
export async function gradeChains(
  task: VoteTask,
  { item }: Question,
  chains: readonly EndedChain[],
  { equality, thinking, style }: GradeOptions,
): Promise<GradedChain[]> {
  const inOrder = chains.toSorted((a, b) => a.chain - b.chain);
  const answers = inOrder.map(({ text, end, why, opened }): Answered => {
    if (end === "failed") return { kind: "abstain", reason: why ?? "failed" };
    return checkAnswer(
      task,
      item.id,
      task.extract(item, { text, finished: end === "finished", thinking, opened, style }),
    );
  });
  const groups = groupsOf(inOrder, answers);
  const isMerged = task.merge ?? task.extract === extractReply;
  const joint = isMerged ? await mergeGroups(equality, groups) : { groups, merges: [] };
  let graded: Spelling | undefined;
  const equal = async (gold: string, answer: string) => {
    const { equal: isEqual, by, why } = await gradeAnswer(equality, gold, answer);
    if (isEqual) graded = { gold, answer, by, why };
    return isEqual;
  };
  const worth = new Map<string, Pick<GradedChain, "key" | "score" | "merged" | "graded">>();
  for (const { key, text, keys = [key] } of joint.groups) {
    graded = undefined;
    const score = await task.grade(item, { kind: "answer", key, text }, equal);
    if (!(typeof score === "number" && score >= 0 && score <= 1))
      throw badArgument(`task ${task.name}: expected a grade from 0 to 1 of problem ${item.id}, got ${score}`);
    const ties = tiesTo(key, joint.merges);
    for (const each of keys)
      worth.set(each, { key, score, merged: ties.get(each), graded: score > 0 ? graded : undefined });
  }
  // What reading the prompt cost is told by a chain that read it all.
  const { prompt } = inOrder.find(({ end }) => end !== "failed") ?? inOrder[0];
  return inOrder.map(({ opened: _, why: __, ...ended }, i) => {
    const answer = answers[i];
    if (answer.kind === "abstain") return { ...ended, prompt, key: null, score: 0, answer: null, why: answer.reason };
    return { ...ended, prompt, ...worth.get(answer.key)!, answer: answer.text, why: null };
  });
}

/** Of each spelling that is the answer of a key, directly or through others: how it was found equal to one of them. */
function tiesTo(first: string, merges: readonly Merge[]): Map<string, Tie> {
  const ties = new Map<string, Tie>();
  const reached = [first];
  for (const key of reached)
    for (const { keys, spellings, by, why } of merges) {
      const at = keys.indexOf(key);
      const next = keys[1 - at];
      if (at < 0 || next === first || ties.has(next)) continue;
      ties.set(next, { key: next, spelling: spellings[1 - at], other: spellings[at], by, why });
      reached.push(next);
    }
  return ties;
}

const isText = (value: unknown): boolean => typeof value === "string" && value.length <= MOST_TEXT;
const MOST_TEXT = 1 << 20;

function checkAnswer({ name }: VoteTask, id: string, answer: Answered): Answered {
  const { kind, key, text, reason } = (answer ?? {}) as Record<string, unknown>;
  if (kind === "answer" ? isText(key) && isText(text) : kind === "abstain" && isText(reason)) return answer;
  throw badArgument(
    `task ${name}: expected extract to give { kind: "answer", text, key } or { kind: "abstain", reason }, all of them texts, of problem ${visible(id)}, got ${brief(answer)}`,
  );
}

function groupsOf(chains: readonly EndedChain[], answers: readonly Answered[]): VoteGroup[] {
  const groups = new Map<string, VoteGroup>();
  for (const [i, answer] of answers.entries()) {
    if (answer.kind === "abstain") continue;
    const { chain } = chains[i];
    const group = groups.get(answer.key);
    if (!group) groups.set(answer.key, { key: answer.key, text: answer.text, chains: [chain], count: 1 });
    else {
      group.chains.push(chain);
      group.count++;
    }
  }
  return [...groups.values()];
}
