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
import { type Answered, extractReply, type Style, type VoteTask, type Worth } from "../tasks/task.ts";
import type { Question } from "./asked.ts";
import type { EndedChain } from "./chains.ts";
import { within } from "./patience.ts";
import type { RecordedChain } from "./record.ts";

/** Of one answer: beyond it, an answer has no grade, and its chains have failed. */
const GRADE_SECONDS = 600;

export interface GradeOptions {
  equality: Equality;
  thinking: Thinking | null;
  style: Style;
  signal?: AbortSignal;
}

/** What a record has of a chain besides where it belongs. */
export type GradedChain = Omit<RecordedChain, "task" | "setting" | "problem" | "seed">;

/** Of a spelling. `failed`: why it could not be graded. */
type Graded = Pick<GradedChain, "key" | "score" | "merged" | "graded" | "judged"> & Pick<Worth, "failed">;

/**
 * Chains of one problem, by index. Equal answers share the key and the score of the lowest chain's; each says how its
 * spelling was found equal to another, and to the gold one. Throws `bad-argument` where what a task extracts is no
 * answer, or its grade is none, and the signal's reason.
 */
export async function gradeChains(
  task: VoteTask,
  { item }: Question,
  chains: readonly EndedChain[],
  { equality, thinking, style, signal }: GradeOptions,
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
  const joint = isMerged ? await within(() => mergeGroups(equality, groups), { signal }) : { groups, merges: [] };
  let graded: Spelling | undefined;
  const equal = async (gold: string, answer: string) => {
    const { equal: isEqual, by, why } = await gradeAnswer(equality, gold, answer);
    if (isEqual) graded = { gold, answer, by, why };
    return isEqual;
  };
  const seconds = task.gradeSeconds ?? GRADE_SECONDS;
  const worth = new Map<string, Graded>();
  for (const { key, text, keys = [key] } of joint.groups) {
    graded = undefined;
    const grading = (signal: AbortSignal) => task.grade(item, { kind: "answer", key, text }, equal, { signal });
    const late = { score: 0, failed: `its grade took more than ${seconds} seconds` };
    const given = await within(grading, { seconds, late, signal });
    const { score, judged, failed }: Worth = typeof given === "object" && given !== null ? given : { score: given };
    if (!(typeof score === "number" && score >= 0 && score <= 1))
      throw badArgument(`task ${task.name}: expected a grade from 0 to 1 of problem ${item.id}, got ${score}`);
    const ties = tiesTo(key, joint.merges);
    const shared = { key, score, judged, failed, graded: score > 0 ? graded : undefined };
    for (const each of keys) worth.set(each, { ...shared, merged: ties.get(each) });
  }
  // What reading the prompt cost is told by a chain that read it all.
  const { prompt } = inOrder.find(({ end }) => end !== "failed") ?? inOrder[0];
  return inOrder.map(({ opened: _, why: __, ...ended }, i) => {
    const answer = answers[i];
    if (answer.kind === "abstain") return { ...ended, prompt, key: null, score: 0, answer: null, why: answer.reason };
    const { failed, ...graded } = worth.get(answer.key)!;
    if (failed === undefined) return { ...ended, prompt, ...graded, answer: answer.text, why: null };
    const unknown = { end: "failed", key: null, score: 0, judged: graded.judged } as const;
    return { ...ended, prompt, ...unknown, answer: answer.text, why: visible(failed) };
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
