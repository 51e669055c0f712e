// Chains that have ended, as an aggregator and a verifier read them.

import type { ChatMessage } from "../model/chat.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import type { Prompt } from "../request/prompt.ts";
import { afterThinking, type Thinking } from "../request/thinking.ts";
import type { Ballot } from "./aggregate/ballot.ts";
import type { ConfidenceMeasure } from "./aggregate/measure.ts";
import type { ChainResult } from "./result.ts";
import type { Score, VerifierChain } from "./verifier/verifier.ts";
import type { VoteGroup } from "./vote.ts";

/** Chains of one of `groups` share its key, whatever their own. */
export function ballotsOf(
  chains: readonly ChainResult[],
  groups: readonly VoteGroup[],
  measure: ConfidenceMeasure | null,
): Ballot[] {
  const keys = new Map(groups.flatMap((group) => group.chains.map((chain) => [chain, group.key])));
  return chains.map(({ chain, answer, tokens, finish, confidence }) => ({
    chain,
    key: keys.get(chain) ?? null,
    answer: answer.kind === "answer" ? answer.text : null,
    tokens,
    finished: finish === "stop",
    ...(measure === null ? {} : { confidence: confidence?.[measure] ?? null }),
  }));
}

/** Ballots with what a verifier said of them. */
export function withScores(ballots: readonly Ballot[], scores: readonly Score[]): Ballot[] {
  const found = new Map(scores.map((score) => [score.chain, score]));
  return ballots.map((ballot) => {
    const score = found.get(ballot.chain);
    if (!score) return ballot;
    return "score" in score ? { ...ballot, score: score.score } : { ...ballot, score: null, fault: score.why };
  });
}

/** What was asked, as a chat: text without turns is one of the user's. */
export function messagesOf(prompt: Prompt, tokenizer: Pick<Tokenizer, "decode">): readonly ChatMessage[] {
  if (typeof prompt === "string") return [{ role: "user", content: prompt }];
  if (Array.isArray(prompt)) return prompt as readonly ChatMessage[];
  const text =
    "raw" in prompt ? prompt.raw : tokenizer.decode((prompt as { ids: readonly number[] }).ids, { special: true });
  return [{ role: "user", content: text }];
}

export function verifierChain(
  { chain, text, answer }: ChainResult,
  messages: readonly ChatMessage[],
  thinking: Thinking | null,
  opened: boolean,
): VerifierChain {
  return {
    chain,
    prompt: messages.map(({ content }) => content).join("\n\n"),
    messages,
    text,
    reply: thinking ? afterThinking(text, thinking, opened) : text,
    answer: answer.kind === "answer" ? answer.text : null,
  };
}
