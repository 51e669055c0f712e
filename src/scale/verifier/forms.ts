// How reward models are asked over HTTP: the request forms of vLLM's and SGLang's servers, one chain a request (both
// batch what comes at a time). Read from vLLM's `entrypoints/pooling` and SGLang's `entrypoints/openai` in 2026.

import type { VerifierChain } from "./verifier.ts";

/** What is put to the model. */
export interface RewardQuery {
  model: string | undefined;
  chain: VerifierChain;
  /** The chain's words that are judged. */
  words: string;
  /** The model's own template, where the caller gave one, and what it becomes with prompt and words. */
  template: string | undefined;
  fill: (template: string) => string;
  /** Which of several classes is the score; default the last. */
  label: number | undefined;
  /** Token ids of which the first one's probability is the score. */
  labelTokens: readonly number[] | undefined;
}

export interface RewardForm {
  /** Of the request, below the server's address. */
  path: string;
  summary: string;
  body(query: RewardQuery): Record<string, unknown>;
  /** The score; anything else where the reply has none. */
  score(reply: unknown, query: RewardQuery): unknown;
}

/** The conversation, which the server's own template renders; or the text that was rendered here. */
const conversation = ({ chain, words, template, fill }: RewardQuery) =>
  template === undefined
    ? { messages: [...chain.messages, { role: "assistant", content: words }] }
    : { input: fill(template) };

/** SGLang scores an item after a query: the template is cut where the words begin. */
function queryAndItem({ chain, words, template, fill }: RewardQuery) {
  if (template === undefined) return { query: `${chain.prompt}\n\n`, items: [words] };
  const at = template.indexOf("{text}");
  return { query: fill(template.slice(0, at)), items: [fill(template.slice(at))] };
}

const field = (value: unknown, name: string | number): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name) ? (value as never)[name] : undefined;

/** The only item of a list. */
const only = (value: unknown): unknown => (Array.isArray(value) && value.length === 1 ? value[0] : undefined);

/** A class's number; of a row a token or step, the last row's. */
function classOf(values: unknown, label: number | undefined): unknown {
  const row = Array.isArray(values) && Array.isArray(values.at(-1)) ? values.at(-1) : values;
  return Array.isArray(row) ? (label === undefined ? row.at(-1) : row[label]) : undefined;
}

export const REWARD_FORMS = {
  "vllm-classify": {
    path: "/classify",
    summary:
      "a class's probability (of a reward model with one class: its sigmoid), data[0].probs; SGLang's /v1/classify too",
    body: conversation,
    score: (reply, { label }) => classOf(field(only(field(reply, "data")), "probs"), label),
  },
  "vllm-pooling": {
    path: "/pooling",
    summary: "a reward as the model gives it, data[0].data; of one a token or step, the last",
    body: conversation,
    score: (reply, { label }) => classOf(field(only(field(reply, "data")), "data"), label),
  },
  "vllm-score": {
    path: "/score",
    summary: "a cross-encoder over the pair of prompt and reply, data[0].score",
    body: ({ chain, words }) => ({ text_1: chain.prompt, text_2: words }),
    score: (reply) => field(only(field(reply, "data")), "score"),
  },
  "sglang-classify": {
    path: "/classify",
    summary: "a reward as the model gives it, embedding[0], of text in the model's template, which must be given",
    body: ({ template = "{text}", fill }) => ({ text: fill(template) }),
    score: (reply, { label }) => classOf(field(Array.isArray(reply) ? only(reply) : reply, "embedding"), label ?? 0),
  },
  "sglang-score": {
    path: "/v1/score",
    summary: "any language model: the first label token's probability after the text, scores[0][0]",
    body: (query) => ({ ...queryAndItem(query), label_token_ids: query.labelTokens, apply_softmax: true }),
    score: (reply) => field(only(field(reply, "scores")), 0),
  },
} as const satisfies Record<string, RewardForm>;

export type RewardFormName = keyof typeof REWARD_FORMS;
